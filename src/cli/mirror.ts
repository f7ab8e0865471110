/** `narthex mirror`: brings closures in. */
import { readFile } from 'node:fs/promises';
import { DEFAULT_SUBSTITUTER } from '../composition/defaults.ts';
import { openMirrorStore } from '../composition/mirrorStore.ts';
import type { Store } from '../composition/openStore.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { DEFAULT_NARS_IN_FLIGHT, DEFAULT_SMALL_NARS_IN_FLIGHT } from '../httpService.ts';
import type { WalkResult } from '../ingest/closureWalk.ts';
import { EXTRA_FILE_SORTS, type ExtraFileSort } from '../ingest/extraFileMirror.ts';
import { FRANKENBUILD_POLICIES } from '../ingest/frankenbuild.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { DEFAULT_COMPRESSION_LEVEL, MAX_COMPRESSION_LEVEL } from '../store/recordEncoding.ts';
import { MAX_CONNECTIONS } from '../upstream/httpUpstream.ts';
import { type Command, type CommandContext, ExitCode, type OptionValues } from './command.ts';
import { counted, formatBytes, formatDuration } from './format.ts';
import { jsonDisplay, lineDisplay, type MirrorDisplay } from './mirrorDisplay.ts';
import type { MirrorEvent } from './mirrorEvent.ts';
import { MirrorTally } from './mirrorTally.ts';
import {
  COMPRESS_OPTION,
  compressionOf,
  count,
  NAR_ORIGIN,
  NAR_ORIGIN_HELP,
  NAR_ORIGIN_OPTION,
  oneOf,
  pathsOf,
  STORE_HELP,
  STORE_OPTION,
  storeOf,
  text,
  texts,
  trustedKeysOf,
  wrongOption,
} from './options.ts';
import { terminalDisplay } from './terminalDisplay.ts';

/** The command. */
export const mirror: Command = {
  name: 'mirror',
  summary: 'bring store paths and all that they refer to into the store, verified',
  usage: '[--from CACHE]… [--trusted-public-keys KEYS] [OPTION…] PATH…|-',
  help: [
    '  PATH          store path, base name or hash part; - reads them from standard input',
    `  --from CACHE  URL, directory or zip file of a binary cache (default: ${DEFAULT_SUBSTITUTER});`,
    '                several are asked in the order of their priorities',
    '  --trusted-public-keys "KEY KEY"',
    '                whose signatures count (default: the key of cache.nixos.org)',
    '  --no-check-sigs',
    '                take what nobody vouches for; it is recorded as such',
    '  --netrc-file FILE',
    '                passwords of caches',
    ...NAR_ORIGIN_HELP,
    '  --frankenbuild off|report|reject|variant',
    "                what is done where a cache's closure and what is here differ (default: report):",
    '                off: use what is here and do not look; report: use what is here and record it;',
    '                reject: refuse paths that would refer to what differs; variant: bring in what',
    '                differs beside what is here',
    '  --allow-unknown',
    '                with reject: let pass what a cache does not have or could not be asked about',
    '  --extra logs,realisations,debuginfo|all',
    '                brings in what else there is about the paths of the closures: build logs and',
    '                realisations from the caches, debug information out of the paths',
    `  --jobs N      NARs that are brought in at once (default: ${DEFAULT_NARS_IN_FLIGHT}, and ${DEFAULT_SMALL_NARS_IN_FLIGHT} small ones besides)`,
    '  --connections N',
    '                connections to one cache at once on which narinfos are asked for',
    `                (default: ${MAX_CONNECTIONS}; where it speaks HTTP/2, a few are used)`,
    '  --threads N   threads that decompress, check and compress (default: one for each processor);',
    '                with 0 the program has only one',
    '  --compress LEVEL|none|later',
    `                how content is stored: by zstd at a level from 1 to ${MAX_COMPRESSION_LEVEL} (default: ${DEFAULT_COMPRESSION_LEVEL}), or`,
    '                as it is; later means as it is until narthex compress, or serve --compress later',
    STORE_HELP,
    '  --json        one line of JSON for each event',
    '',
    'What is interrupted goes on where it stopped when it is run again.',
    'Exit codes: 0 all is here, 1 error, 2 wrong usage, 3 some is here and some is not,',
    '4 refused by --frankenbuild reject, 5 all is here and there are findings.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    from: { type: 'string', multiple: true },
    'trusted-public-keys': { type: 'string' },
    'no-check-sigs': { type: 'boolean' },
    'netrc-file': { type: 'string' },
    ...NAR_ORIGIN_OPTION,
    frankenbuild: { type: 'string' },
    'allow-unknown': { type: 'boolean' },
    extra: { type: 'string', multiple: true },
    jobs: { type: 'string' },
    connections: { type: 'string' },
    threads: { type: 'string' },
    ...COMPRESS_OPTION,
  },

  async run(context, values, positionals) {
    const jobs = count(values, 'jobs', 1);
    const compression = compressionOf(values);
    const trustedKeys = trustedKeysOf(values);
    const frankenbuild = oneOf(values, 'frankenbuild', FRANKENBUILD_POLICIES) ?? 'report';
    const sorts = extraFileSortsOf(values);
    const wanted = await pathsOf(positionals, context);
    await using mirrorStore = await openMirrorStore({
      storeDirectory: storeOf(values, context),
      from: texts(values, 'from'),
      trustedKeys,
      checkSignatures: values['no-check-sigs'] !== true,
      frankenbuild,
      allowUnknown: values['allow-unknown'] === true,
      threads: count(values, 'threads', 0),
      maxConnections: count(values, 'connections', 1),
      compression,
      walkLimits: jobs === undefined ? {} : { narsInFlight: jobs, smallNarsInFlight: undefined },
      netrc: await netrcOf(values),
      narOrigins: texts(values, NAR_ORIGIN),
    });
    const tally = new MirrorTally();
    const onEvent = (event: MirrorEvent) => {
      tally.add(event);
      display.show(event, tally);
    };
    const json = values['json'] === true;
    const hashParts = new Set(wanted.map(({ hashPart }) => hashPart));
    const display = displayFor(context, json, hashParts);
    let outcome: Outcome = 'interrupted';
    let beside: PathInfo[] = [];
    try {
      const results = await mirrorStore.upstreams.ingest(wanted, {
        signal: context.signal,
        onEvent,
      });
      if (sorts.size > 0) {
        const roots = results.flatMap((one) => (one.outcome === 'kept' ? [one.pathInfo] : []));
        const { signal } = context;
        await mirrorStore.extraFiles.run(roots, { sorts, signal, onEvent });
      }
      outcome = outcomeOf(results, tally);
      beside = await notCurrent(results, mirrorStore.store);
    } finally {
      display.end();
      conclude(outcome, beside, tally, context, json);
    }
    return EXIT_CODES[outcome];
  },
};

/** What is wanted besides paths; `all` of it, or some, by commas or several options. @throws USAGE */
function extraFileSortsOf(values: OptionValues): ReadonlySet<ExtraFileSort> {
  const words = texts(values, 'extra').flatMap((list) => list.split(','));
  if (words.includes('all')) return new Set(EXTRA_FILE_SORTS);
  const sorts = words.map((word) => {
    const sort = EXTRA_FILE_SORTS.find((known) => known === word);
    if (sort !== undefined) return sort;
    throw wrongOption('extra', `some of ${EXTRA_FILE_SORTS.join(', ')}, or all`, word);
  });
  return new Set(sorts);
}

/** How a run ended. */
type Outcome = 'complete' | 'findings' | 'rejected' | 'partial' | 'failed' | 'interrupted';

const EXIT_CODES: Readonly<Record<Outcome, ExitCode>> = {
  complete: ExitCode.Done,
  findings: ExitCode.Findings,
  rejected: ExitCode.Rejected,
  partial: ExitCode.Partial,
  failed: ExitCode.Error,
  interrupted: ExitCode.Error,
};

function outcomeOf(results: readonly WalkResult[], tally: MirrorTally): Outcome {
  if (results.some(isRejected)) return 'rejected';
  if (results.every((result) => result.outcome === 'kept')) {
    if (tally.extraFilesFailed > 0) return 'partial';
    return tally.findings > 0 ? 'findings' : 'complete';
  }
  return tally.kept + tally.present > 0 ? 'partial' : 'failed';
}

/** Whether a path failed because policy refused it, or something that it refers to. */
function isRejected(result: WalkResult): boolean {
  if (result.outcome !== 'failed') return false;
  for (let { error } = result; error instanceof Error; error = error.cause) {
    if (isNarthexError(error, 'FRANKENBUILD_REJECTED')) return true;
  }
  return false;
}

/** What is here in a world of its own, beside the current one. */
async function notCurrent(results: readonly WalkResult[], store: Store): Promise<PathInfo[]> {
  const beside: PathInfo[] = [];
  for (const result of results) {
    if (result.outcome !== 'kept') continue;
    const { pathInfo } = result;
    const current = await store.pathInfos.get(pathInfo.storePath.digest);
    if (current?.sameVariant(pathInfo) !== true) beside.push(pathInfo);
  }
  return beside;
}

/** The text of the netrc file, if one is named. @throws USAGE */
async function netrcOf(values: OptionValues): Promise<string | undefined> {
  const file = text(values, 'netrc-file');
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: String(error) };
    throw new NarthexError('USAGE', `--netrc-file cannot be read: ${message}`, {
      option: 'netrc-file',
      actual: file,
    });
  }
}

function displayFor(
  { stdout, stderr, environment }: CommandContext,
  json: boolean,
  wanted: ReadonlySet<string>,
): MirrorDisplay {
  if (json) return jsonDisplay(stdout);
  // a dumb one, such as that of an editor, does not move its cursor
  const drawn = stderr.isTTY && environment['TERM'] !== 'dumb';
  return drawn ? terminalDisplay(stderr, wanted) : lineDisplay(stderr, wanted);
}

/** The last word. */
function conclude(
  outcome: Outcome,
  beside: readonly PathInfo[],
  tally: MirrorTally,
  { stdout }: CommandContext,
  json: boolean,
): void {
  const { kept, present, failed, findings, narBytesDone: narBytes, seconds } = tally;
  const { extraFilesKept, extraFilesFailed } = tally;
  if (json) {
    const notCurrent = beside.map(({ storePath, closureDigest }) => ({
      path: storePath.absolute,
      closureDigest,
    }));
    const extraFiles = { kept: extraFilesKept, failed: extraFilesFailed };
    const counts = { kept, present, failed, findings, narBytes, seconds, extraFiles };
    stdout.write(`${JSON.stringify({ event: 'done', outcome, ...counts, notCurrent })}\n`);
    return;
  }
  const parts = [
    `${counted(kept, 'path')} mirrored${outcome === 'interrupted' ? ' before the end' : ''}`,
    ...(present > 0 ? [`${present} here already`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(findings > 0 ? [counted(findings, 'finding')] : []),
    ...(extraFilesKept > 0 ? [`${counted(extraFilesKept, 'extra file')} mirrored`] : []),
    ...(extraFilesFailed > 0 ? [`${counted(extraFilesFailed, 'extra file')} failed`] : []),
  ];
  const rate = formatBytes(narBytes / Math.max(seconds, 0.001));
  const effort = `: ${formatBytes(narBytes)} of NAR in ${formatDuration(seconds)} (${rate}/s)`;
  stdout.write(`${parts.join(', ')}${narBytes > 0 ? effort : ''}\n`);
  for (const { storePath, closureDigest } of beside) {
    stdout.write(
      `${storePath.absolute} is kept in a world that is not current: /closure/${closureDigest.hex}/\n`,
    );
  }
}
