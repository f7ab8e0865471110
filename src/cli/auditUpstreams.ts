/** `narthex audit --upstreams`: where caches disagree, the divergence map. */
import { type AskedPath, divergences, type PathDivergence } from '../audit/divergence.ts';
import { DivergenceTally } from '../audit/divergenceTally.ts';
import type { Store } from '../composition/openStore.ts';
import { openWitnesses } from '../composition/openWitnesses.ts';
import { NarthexError } from '../errors.ts';
import { STORE_DIR } from '../storePath.ts';
import { type CommandContext, ExitCode, type OptionValues } from './command.ts';
import { divergenceJson, tallyJson } from './divergenceJson.ts';
import { divergenceText, tallyText } from './divergenceText.ts';
import { count, pathsOf, texts, trustedKeysOf } from './options.ts';
import { writeAll } from './output.ts';
import { openForReading } from './stored.ts';

/** Fewer have nothing to disagree about. */
const MIN_CACHES = 2;

/** Asks caches about paths, or about all that is kept, and tells where they disagree. */
export async function mapDivergences(
  context: CommandContext,
  values: OptionValues,
  positionals: readonly string[],
): Promise<ExitCode> {
  const inFlight = count(values, 'jobs', 1);
  const trustedKeys = trustedKeysOf(values);
  const addresses = [...texts(values, 'upstreams'), ...positionals.filter(isCache)];
  const wanted = positionals.filter((positional) => !isCache(positional));
  if (addresses.length < MIN_CACHES) {
    const message = `--upstreams needs ${MIN_CACHES} caches or more, ${addresses.length} is given`;
    throw new NarthexError('USAGE', message, { option: 'upstreams' });
  }
  const asked = wanted.length === 0 ? undefined : await pathsOf(wanted, context);
  await using witnesses = await openWitnesses({
    addresses,
    trustedKeys,
    checkSignatures: values['no-check-sigs'] !== true,
  });
  await using opened = new AsyncDisposableStack();
  const paths = asked ?? keptPaths(opened.use(await openForReading(values, context)), context);
  const tally = new DivergenceTally(witnesses.all.map(({ url }) => url));
  const found = divergences(paths, witnesses.all, { inFlight, signal: context.signal });
  const write = values['json'] === true ? jsonPieces : textPieces;
  await writeAll(context.stdout, write(found, tally));
  if (tally.hasFindings) return ExitCode.Findings;
  return tally.isIncomplete ? ExitCode.Partial : ExitCode.Done;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;

/** Whether an argument is a cache: a URL, or a path of this machine that is no store path. */
function isCache(argument: string): boolean {
  if (SCHEME.test(argument)) return true;
  return /^[./]/.test(argument) && !argument.startsWith(`${STORE_DIR}/`);
}

async function* keptPaths(store: Store, { signal }: CommandContext): AsyncGenerator<AskedPath> {
  for await (const { storePath } of store.pathInfos.list({ signal })) {
    const { digest, hashPart, name } = storePath;
    yield { digest, hashPart, name, storePath };
  }
}

/** Those that disagree as they come, then the sums. */
async function* textPieces(
  found: AsyncIterable<PathDivergence>,
  tally: DivergenceTally,
): AsyncGenerator<string> {
  for await (const divergence of found) {
    tally.add(divergence);
    yield divergenceText(divergence);
  }
  yield tallyText(tally);
}

/** One object, a line for each path: all of them would not have to fit into memory. */
async function* jsonPieces(
  found: AsyncIterable<PathDivergence>,
  tally: DivergenceTally,
): AsyncGenerator<string> {
  let separator = '{"paths": [\n';
  for await (const divergence of found) {
    tally.add(divergence);
    yield `${separator}${JSON.stringify(divergenceJson(divergence))}`;
    separator = ',\n';
  }
  yield `${tally.paths === 0 ? separator : '\n'}],\n"summary": ${JSON.stringify(tallyJson(tally), undefined, 2)}}\n`;
}
