/** The layer table of docs/ARCHITECTURE.md as data. */

/** One row: a file or a folder (with a slash at its end) under src. */
export interface LayerRow {
  readonly layer: number;
  readonly path: string;
  /** Never imports another row of its layer that is apart, too. */
  readonly apart: boolean;
}

/** What the document says. */
export interface LayerTable {
  readonly rows: readonly LayerRow[];
  /** The layers from 0 to this one do no I/O and read no clock and no environment. */
  readonly highestPureLayer: number;
}

/**
 * Reads the markdown table whose first columns are called `layer` and `path`, and the sentence
 * `Layers L0 to LN do no I/O`.
 * @throws Error where the document does not have that form
 */
export function parseLayerTable(markdown: string): LayerTable {
  const lines = markdown.split('\n').map((line) => line.trim());
  const header = lines.findIndex((line) => /^\|\s*layer\s*\|\s*path\s*\|/.test(line));
  if (header === -1) throw new Error('there is no table with the columns "layer" and "path"');

  const rows: LayerRow[] = [];
  // after the header comes its underline, after the last row a line that is no row
  for (const line of lines.slice(header + 2)) {
    if (!line.startsWith('|')) break;
    const row = /^\|\s*L(\d+)\s*\|\s*`?([\w./-]+?)`?\s*\|(.*)$/.exec(line);
    if (row === null) throw new Error(`not a row of the layer table: ${line}`);
    const [, layer = '', path = '', description = ''] = row;
    rows.push({ layer: Number(layer), path, apart: description.includes('(apart)') });
  }

  const pure = /Layers L0 to L(\d+) do no I\/O/.exec(markdown.replace(/\s+/g, ' '));
  if (pure === null) throw new Error('the sentence "Layers L0 to LN do no I/O" is missing');
  return { rows, highestPureLayer: Number(pure[1]) };
}

/** The rows that a file, given relative to src, belongs to: it should be exactly one. */
export function rowsOf(table: LayerTable, path: string): readonly LayerRow[] {
  return table.rows.filter((row) =>
    row.path.endsWith('/') ? path.startsWith(row.path) : path === row.path,
  );
}
