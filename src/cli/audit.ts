/** `narthex audit`: whether what is kept still holds, and what caches say about it. */
import { type AuditOutcome, audit as auditPaths, outcomeOf } from '../audit/audit.ts';
import { DEFAULT_QUESTIONS_IN_FLIGHT } from '../audit/witness.ts';
import { openWitnesses } from '../composition/openWitnesses.ts';
import { NarthexError } from '../errors.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { listFindings } from './auditFindings.ts';
import { auditJson } from './auditJson.ts';
import { auditText } from './auditText.ts';
import { mapDivergences } from './auditUpstreams.ts';
import { type Command, type CommandContext, ExitCode, type OptionValues } from './command.ts';
import {
  count,
  STORE_HELP,
  STORE_OPTION,
  texts,
  trustedKeysOf,
  variantPlacesOf,
} from './options.ts';
import { openForReading, requireVariant } from './stored.ts';

/** How the outcomes of an audit end the program. */
const EXIT_CODES: Readonly<Record<AuditOutcome, ExitCode>> = {
  clean: ExitCode.Done,
  findings: ExitCode.Findings,
  incomplete: ExitCode.Partial,
};

/** The command. */
export const audit: Command = {
  name: 'audit',
  summary: 'check that what is kept still holds, and compare it with what caches say',
  usage: [
    '[--closure] [--against CACHE]… [OPTION…] PATH…|-',
    '       narthex audit --upstreams CACHE CACHE… [OPTION…] [PATH…|-]',
    '       narthex audit --findings [--json]',
  ].join('\n'),
  help: [
    '  PATH          store path, base name or hash part; PATH@DIGEST is a variant that is not',
    '                current; - reads them from standard input',
    '  --closure     audit all that the paths refer to, too, and whole closures',
    '  --against CACHE',
    '                ask this cache what it says about each path: URL, directory or zip file;',
    '                its narinfos alone are read, and no NAR; may be given several times',
    '  --upstreams CACHE',
    '                tell where these caches disagree about the paths, or about all that is kept:',
    '                which packages are not reproducible; several times, or several after one',
    '                (a relative directory then begins with ./)',
    '  --findings    list what mirror --frankenbuild report has found so far',
    '  --no-contents do not read contents: no NAR is re-hashed',
    '  --trusted-public-keys "KEY KEY"',
    '                whose signatures count (default: the key of cache.nixos.org)',
    '  --no-check-sigs',
    '                take narinfos of caches as evidence that nobody vouches for',
    '  --jobs N      narinfos that each cache is asked for at once',
    `                (default: ${DEFAULT_QUESTIONS_IN_FLIGHT})`,
    STORE_HELP,
    '  --json        an object, with all that is known',
    '',
    'Exit codes: 0 clean; 1 error; 2 wrong usage; 3 nothing is wrong as far as is known, but some',
    'cache could not be asked; 5 findings: something is wrong or mixed, or a cache says something else',
    'or something that does not verify.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    closure: { type: 'boolean' },
    against: { type: 'string', multiple: true },
    upstreams: { type: 'string', multiple: true },
    findings: { type: 'boolean' },
    'no-contents': { type: 'boolean' },
    'trusted-public-keys': { type: 'string' },
    'no-check-sigs': { type: 'boolean' },
    jobs: { type: 'string' },
  },

  async run(context, values, positionals) {
    const alone = values['findings'] === true ? 'findings' : 'upstreams';
    if (values[alone] === undefined) return await auditStored(context, values, positionals);
    refuseOthers(values, alone);
    return alone === 'findings'
      ? await listFindings(context, values, positionals)
      : await mapDivergences(context, values, positionals);
  },
};

/** Options that are about an audit of what is kept. */
const AUDIT_ONLY = ['closure', 'against', 'no-contents'] as const;

/** @throws USAGE an option is given that another one leaves no place for */
function refuseOthers(values: OptionValues, alone: 'findings' | 'upstreams'): void {
  const others = alone === 'findings' ? ([...AUDIT_ONLY, 'upstreams'] as const) : AUDIT_ONLY;
  const other = others.find((name) => values[name] !== undefined);
  if (other === undefined) return;
  throw new NarthexError('USAGE', `--${alone} does not go with --${other}`, { option: other });
}

async function auditStored(
  context: CommandContext,
  values: OptionValues,
  positionals: readonly string[],
): Promise<ExitCode> {
  const { signal, stdout } = context;
  const questionsInFlight = count(values, 'jobs', 1);
  const trustedKeys = trustedKeysOf(values);
  const places = await variantPlacesOf(positionals, context);
  await using witnesses = await openWitnesses({
    addresses: texts(values, 'against'),
    trustedKeys,
    checkSignatures: values['no-check-sigs'] !== true,
  });
  await using store = await openForReading(values, context);
  const roots: PathInfo[] = [];
  for (const place of places) roots.push(await requireVariant(store, place, signal));
  const contents = values['no-contents'] !== true;
  const report = await auditPaths(roots, {
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: store.pathInfos,
    trustedKeys,
    contents,
    wholeClosures: values['closure'] === true,
    witnesses: witnesses.all,
    questionsInFlight,
    signal,
  });
  const outcome = outcomeOf(report);
  stdout.write(
    values['json'] === true
      ? `${JSON.stringify(auditJson(report, outcome), undefined, 2)}\n`
      : auditText(report, { contents, trustedKeys }),
  );
  return EXIT_CODES[outcome];
}
