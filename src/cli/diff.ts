/** `narthex diff`: what differs between two store paths, two variants or two closures. */
import { jsonOfBytes, parseDisplayedBytes } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import type { Store } from '../composition/openStore.ts';
import { type ClosureChange, diffClosures, type PathInfoPair } from '../diff/closureDiff.ts';
import { diffNodes } from '../diff/nodeDiff.ts';
import { diffTexts } from '../diff/textDiff.ts';
import { NarthexError } from '../errors.ts';
import { type Command, type CommandContext, ExitCode } from './command.ts';
import { closureChangeJson, nodeChangeJson, pathJson } from './diffJson.ts';
import {
  CLOSURE_LETTERS_HELP,
  closureChangeLine,
  closureSummary,
  NODE_LETTERS_HELP,
  nodeChangeText,
  type ToldChange,
} from './diffText.ts';
import { counted } from './format.ts';
import { type PlaceInPath, parsePlace, STORE_HELP, STORE_OPTION } from './options.ts';
import { writeAll } from './output.ts';
import { nodeJson } from './pathInfoJson.ts';
import { openForReading, requirePlace, requireVariant } from './stored.ts';

/** The lines of files below that of their store path. */
const FILES_INDENT = '   ';

/** The command. */
export const diff: Command = {
  name: 'diff',
  summary: 'tell what differs between two store paths, two variants of one, or two closures',
  usage: '[--closure [--files]] [--text] [--json] A B',
  help: [
    '  A, B          PATH[@DIGEST][/NAME…]: store path, base name or hash part; the closure digest of',
    '                a variant that is not current, or its beginning as variants shows it; names as',
    '                ls shows them',
    '  --closure     compare all that they refer to, path by path',
    '  --files       with --closure: also the files of paths whose contents differ',
    '  --text        unified diffs of small text files',
    STORE_HELP,
    '  --json        an object; names that are not UTF-8 as {"base64": …}, sizes in bytes',
    '',
    'A line has a letter, the size in A, the size in B, and the name.',
    `Files:    ${NODE_LETTERS_HELP}.`,
    `Closures: ${CLOSURE_LETTERS_HELP}.`,
    'Exit codes: 0 they are equal, 1 error, 2 wrong usage, 5 they differ.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    closure: { type: 'boolean' },
    files: { type: 'boolean' },
    text: { type: 'boolean' },
  },

  async run(context, values, positionals) {
    const [a, b, ...others] = positionals.map(parsePlace);
    if (a === undefined || b === undefined || others.length > 0) {
      throw new NarthexError('USAGE', `two places are needed, ${positionals.length} are given`);
    }
    const wholeClosures = values['closure'] === true;
    const text = values['text'] === true;
    if (!wholeClosures && values['files'] === true) {
      throw new NarthexError('USAGE', '--files goes with --closure');
    }
    if (wholeClosures && a.names.length + b.names.length > 0) {
      throw new NarthexError('USAGE', '--closure takes store paths, not places inside them');
    }
    await using store = await openForReading(values, context);
    const comparison = { store, context, text, json: values['json'] === true };
    return wholeClosures
      ? await compareClosures(comparison, a, b, text || values['files'] === true)
      : await comparePlaces(comparison, a, b);
  },
};

/** What comparisons of every kind need. */
interface Comparison {
  readonly store: Store;
  readonly context: CommandContext;
  readonly text: boolean;
  readonly json: boolean;
}

async function comparePlaces(
  comparison: Comparison,
  placeA: PlaceInPath,
  placeB: PlaceInPath,
): Promise<ExitCode> {
  const { store, context, json } = comparison;
  const a = await requirePlace(store, placeA, context.signal);
  const b = await requirePlace(store, placeB, context.signal);
  const changes = changesOf(comparison, a.node, b.node);
  let count = 0;
  if (json) {
    const told = await Array.fromAsync(changes, nodeChangeJson);
    count = told.length;
    const side = ({ pathInfo, node }: typeof a, { names }: PlaceInPath) => ({
      ...pathJson(pathInfo),
      inside: jsonOfBytes(parseDisplayedBytes(names.join('/'))),
      node: nodeJson(node),
    });
    writeJson(context, {
      a: side(a, placeA),
      b: side(b, placeB),
      equal: count === 0,
      changes: told,
    });
  } else {
    // a file that is compared by itself has no name below itself
    const folderOf = ({ node, shown }: typeof a) =>
      node.type === 'directory' ? '' : shown.slice(shown.lastIndexOf('/') + 1);
    const folders = { a: folderOf(a), b: folderOf(b) };
    const lines = async function* () {
      for await (const told of changes) {
        count += 1;
        yield nodeChangeText(told, { folders, indent: '', forTerminal: context.stdout.isTTY });
      }
      if (count > 0) yield `${counted(count, 'difference')}\n`;
    };
    await writeAll(context.stdout, lines());
    const wholePaths = placeA.names.length + placeB.names.length === 0;
    if (count === 0 && wholePaths && !a.pathInfo.closureDigest.equals(b.pathInfo.closureDigest)) {
      context.stderr.write('narthex: equal, but in closures that differ: see --closure\n');
    }
  }
  return count === 0 ? ExitCode.Done : ExitCode.Findings;
}

async function compareClosures(
  comparison: Comparison,
  placeA: PlaceInPath,
  placeB: PlaceInPath,
  withFiles: boolean,
): Promise<ExitCode> {
  const { store, context, json } = comparison;
  const a = await requireVariant(store, placeA, context.signal);
  const b = await requireVariant(store, placeB, context.signal);
  const pathInfos = { a: store.pathInfos, b: store.pathInfos };
  const found = await diffClosures([a], [b], { pathInfos, signal: context.signal });
  const { changes, sameCount, narSizeBytes } = found;
  if (json) {
    const told: object[] = [];
    for (const change of changes) {
      const pair = withFiles ? pairWithFiles(change) : undefined;
      const files =
        pair &&
        (await Array.fromAsync(changesOf(comparison, pair.a.node, pair.b.node), nodeChangeJson));
      told.push(closureChangeJson(change, files));
    }
    writeJson(context, {
      a: { ...pathJson(a), closureNarSize: narSizeBytes.a },
      b: { ...pathJson(b), closureNarSize: narSizeBytes.b },
      equal: changes.length === 0,
      sameCount,
      changes: told,
    });
  } else {
    const lines = async function* () {
      for (const change of changes) {
        yield closureChangeLine(change);
        const pair = withFiles ? pairWithFiles(change) : undefined;
        if (pair === undefined) continue;
        const folders = { a: pair.a.storePath.baseName, b: pair.b.storePath.baseName };
        const shown = { folders, indent: FILES_INDENT, forTerminal: context.stdout.isTTY };
        for await (const told of changesOf(comparison, pair.a.node, pair.b.node)) {
          yield nodeChangeText(told, shown);
        }
      }
      if (changes.length > 0) yield closureSummary(found);
    };
    await writeAll(context.stdout, lines());
  }
  return changes.length === 0 ? ExitCode.Done : ExitCode.Findings;
}

/** The pair of a change whose files can be compared and differ. */
function pairWithFiles(change: ClosureChange): PathInfoPair | undefined {
  return 'contentsDiffer' in change && change.contentsDiffer ? change : undefined;
}

async function* changesOf(
  { store, context: { signal }, text }: Comparison,
  a: Node,
  b: Node,
): AsyncGenerator<ToldChange, void, undefined> {
  const directories = { a: store.directories, b: store.directories };
  const blobs = { a: store.blobs, b: store.blobs };
  for await (const change of diffNodes(a, b, { directories, signal })) {
    const told =
      text && change.type === 'changed'
        ? await diffTexts(change.a, change.b, { blobs, path: change.path, signal })
        : undefined;
    yield { change, text: told };
  }
}

function writeJson({ stdout }: CommandContext, json: object): void {
  stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
}
