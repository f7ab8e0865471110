/** `narthex variants`: the worlds in which paths are kept, and where they part. */
import { equalNodes } from '../castore/node.ts';
import type { Verification } from '../pathinfo/claim.ts';
import { type Command, ExitCode } from './command.ts';
import { counted } from './format.ts';
import { pathsOf, STORE_HELP, STORE_OPTION } from './options.ts';
import { pathInfoJson } from './pathInfoJson.ts';
import { openForReading } from './stored.ts';
import { requireVariants, type StoredVariant, shortDigest } from './storedVariants.ts';

/** The command. */
export const variants: Command = {
  name: 'variants',
  summary: 'list all variants of store paths, and which references make them differ',
  usage: '[--json] PATH…|-',
  help: [
    '  PATH          store path, base name or hash part; - reads them from standard input',
    STORE_HELP,
    '  --json        an array of objects as info has them; of each path the current variant first',
    '',
    'Variants are told apart by their closure digests, of which text shows the beginning in',
    'hexadecimal. narthex prefer makes another one current.',
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const paths = await pathsOf(positionals, context);
    await using store = await openForReading(values, context);
    const found: StoredVariant[][] = [];
    for (const path of paths) found.push(await requireVariants(store, path, context.signal));
    if (values['json'] === true) {
      const json = found.flat().map(({ pathInfo, current }) => pathInfoJson(pathInfo, current));
      context.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
    } else {
      context.stdout.write(found.map(variantsText).join('\n'));
    }
    return ExitCode.Done;
  },
};

function variantsText(found: readonly StoredVariant[]): string {
  const storePath = found[0]?.pathInfo.storePath.absolute;
  const mark = found.some(({ current }) => current) ? '* is current' : 'none is current';
  const table = [
    ['', 'closure', 'NarHash', 'verified by', 'from'],
    ...found.map(({ current, pathInfo: { closureDigest, claim } }) => [
      current ? '*' : '',
      shortDigest(closureDigest),
      claim.narHash.toNixbase32(),
      verifierText(claim.verification),
      claim.origin ?? 'unknown',
    ]),
  ];
  const differing = differingReferences(found);
  const below =
    differing.length === 0
      ? []
      : [
          [
            'references that differ',
            ...found.map(({ pathInfo }) => shortDigest(pathInfo.closureDigest)),
            '',
          ],
          ...differing,
        ];
  return `${storePath}: ${counted(found.length, 'variant')}, ${mark}\n${aligned(table)}${aligned(below)}`;
}

/** One row for each reference that is not the same in all: its name, its variants, what differs. */
function differingReferences(found: readonly StoredVariant[]): string[][] {
  const [first, ...others] = found.map(({ pathInfo }) => pathInfo);
  if (first === undefined) return [];
  const all = [first, ...others];
  const names = new Set(all.flatMap(({ references }) => [...references.keys()]));
  // a self-reference differs wherever the variants do
  for (const { storePath } of all) names.delete(storePath.baseName);
  const rows: string[][] = [];
  for (const name of [...names].sort()) {
    const contents = all.map(({ references }) => references.get(name));
    const [one, ...rest] = contents;
    if (one && rest.every((other) => other?.closureDigest.equals(one.closureDigest))) continue;
    const cells = contents.map((content) => {
      if (content === undefined) return '-';
      const mixed = content.evidence === 'mixed' ? ' mixed' : '';
      return shortDigest(content.closureDigest) + mixed;
    });
    rows.push([name, ...cells, differenceText(contents.map((content) => content?.node))]);
  }
  return rows;
}

type RootNode = StoredVariant['pathInfo']['node'];

function differenceText(nodes: readonly (RootNode | undefined)[]): string {
  const [one, ...others] = nodes.filter((node) => node !== undefined);
  if (others.length + 1 < nodes.length) return 'not referred to by all';
  return one && others.every((other) => equalNodes(one, other))
    ? 'what it refers to differs'
    : 'its content differs';
}

function verifierText(verification: Verification): string {
  switch (verification.by) {
    case 'key':
      return verification.publicKey.split(':')[0] ?? verification.publicKey;
    case 'ca':
      return 'content address';
    case 'uploader':
      return `uploader ${verification.uploader}`;
    case 'nobody':
      return 'nobody';
  }
}

/** Rows with their columns below each other, indented. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => {
      const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
      return `  ${line}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join('');
}
