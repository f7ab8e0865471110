/** The rules of docs/ARCHITECTURE.md, checked on sources that need not be on disk. */
import { posix } from 'node:path';
import { findCycles } from './cycles.ts';
import { type LayerRow, type LayerTable, rowsOf } from './layerTable.ts';
import { COMPUTED, type ModuleFacts, readModuleFacts, type SourceFile } from './moduleFacts.ts';

/** Modules that reach the file system, the network, other processes, the clock or the system. */
const IMPURE_MODULES =
  /^(?:node:)?(?:fs|http|https|http2|net|tls|dgram|dns|child_process|worker_threads|cluster|os|process|console|perf_hooks)(?:\/|$)|^(?:undici|lmdb|yauzl-promise)(?:\/|$)/;

/**
 * Every breach of the rules, one line each: what, where, and which rule.
 * @param files all of src
 */
export function checkLayers(table: LayerTable, files: readonly SourceFile[]): string[] {
  const breaches: string[] = [];
  const paths = new Set(files.map((file) => file.path));
  const rows = new Map<string, LayerRow>();
  for (const { path } of files) {
    const [row, ...others] = rowsOf(table, path);
    if (row === undefined) breaches.push(`${path}: in no row of the layer table`);
    else rows.set(path, row);
    if (others.length > 0)
      breaches.push(`${path}: in ${others.length + 1} rows of the layer table`);
  }
  for (const row of table.rows) {
    if (![...rows.values()].includes(row)) {
      breaches.push(`${row.path}: a row of the layer table without a file`);
    }
  }

  const importsOf = new Map<string, string[]>();
  for (const file of files) {
    const facts = readModuleFacts(file);
    const row = rows.get(file.path);
    if (row !== undefined && row.layer <= table.highestPureLayer) {
      breaches.push(...checkPurity(file.path, row, facts));
    }
    const targets: string[] = [];
    importsOf.set(file.path, targets);
    for (const { name, line } of facts.imports) {
      const where = `${file.path}:${line}`;
      if (name === COMPUTED) breaches.push(`${where}: imports a computed specifier`);
      if (!name.startsWith('.')) continue;
      const target = posix.join(posix.dirname(file.path), name);
      if (!paths.has(target)) {
        breaches.push(`${where}: imports ${name}, which is not in src`);
        continue;
      }
      targets.push(target);
      const targetRow = rows.get(target);
      if (row === undefined || targetRow === undefined) continue;
      if (targetRow.layer > row.layer) {
        breaches.push(`${where}: L${row.layer} imports ${target} of L${targetRow.layer}`);
      }
      if (row.apart && targetRow.apart && row !== targetRow && row.layer === targetRow.layer) {
        breaches.push(`${where}: ${row.path} imports ${target}, both are apart`);
      }
    }
  }
  for (const cycle of findCycles(importsOf)) {
    breaches.push(`${cycle.join(' → ')}: a cycle of imports`);
  }
  return breaches;
}

/** What a module of a pure layer uses that it must not. */
function checkPurity(path: string, row: LayerRow, { imports, ambient }: ModuleFacts): string[] {
  const used = [...imports.filter(({ name }) => IMPURE_MODULES.test(name)), ...ambient];
  return used.map(({ name, line }) => `${path}:${line}: L${row.layer} is pure but uses ${name}`);
}
