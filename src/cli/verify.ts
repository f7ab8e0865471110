/** `narthex verify`: whether the store holds what it should, and putting right what it does not. */
import { repairSources } from '../composition/openRepairSources.ts';
import { openStore, type Store } from '../composition/openStore.ts';
import { NarthexError } from '../errors.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { type RepairedDamage, repairStore } from '../verify/repairStore.ts';
import { verifyStore } from '../verify/verifyStore.ts';
import { type Command, type CommandContext, ExitCode, type OptionValues } from './command.ts';
import {
  type PlaceInPath,
  STORE_HELP,
  STORE_OPTION,
  storeOf,
  texts,
  trustedKeysOf,
  variantPlacesOf,
} from './options.ts';
import { openForReading, shownQuery } from './stored.ts';
import { verifyDisplay } from './verifyDisplay.ts';
import { verifyJson } from './verifyJson.ts';
import { verifyText } from './verifyText.ts';

/** The command. */
export const verify: Command = {
  name: 'verify',
  summary: 'check that the store holds what it should, and repair what is damaged',
  usage: '[--deep] [--repair [--from CACHE]…] [OPTION…] [PATH…|-]',
  help: [
    '  PATH          store path, base name or hash part, in all variants; PATH@DIGEST is one of them;',
    '                - reads paths from standard input (default: the whole store)',
    '  --deep        read everything: hash each chunk, blob and directory, render and hash each NAR,',
    '                verify signatures; without it only whether all is there',
    '  --repair      put right what is damaged: from the store itself where that is possible, else',
    '                by fetching the paths concerned, and no others, again',
    '  --from CACHE  URL, directory or zip file of a binary cache to repair from, several times for',
    '                several (default: for each path the one that it came from)',
    '  --trusted-public-keys "KEY KEY"',
    '                whose signatures count where the record of a path has to be made anew',
    '                (default: the key of cache.nixos.org)',
    '  --no-check-sigs',
    '                make records anew out of what nobody vouches for, too',
    STORE_HELP,
    '  --json        an object, with all that is known',
    '',
    'Others may use the store meanwhile, but for gc and compress while it is repaired.',
    'Exit codes: 0 nothing is damaged any more; 1 error; 2 wrong usage;',
    '3 something was repaired and something was not; 5 something is damaged.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    deep: { type: 'boolean' },
    repair: { type: 'boolean' },
    from: { type: 'string', multiple: true },
    'trusted-public-keys': { type: 'string' },
    'no-check-sigs': { type: 'boolean' },
  },

  async run(context, values, positionals) {
    const { stdout, signal } = context;
    const isRepair = values['repair'] === true;
    refuseWithoutRepair(values, isRepair);
    const trustedKeys = trustedKeysOf(values);
    const places =
      positionals.length === 0 ? undefined : await variantPlacesOf(positionals, context);
    await using store = await openFor(isRepair, values, context);
    const paths = places && (await keysOf(store, places));
    const json = values['json'] === true;
    const deep = values['deep'] === true;
    const display = verifyDisplay(context, json);
    const options = { paths, deep, signal, onEvent: display.show };
    let damages: readonly RepairedDamage[];
    let counts: Awaited<ReturnType<typeof verifyStore>>['counts'];
    try {
      if (isRepair) {
        const openSources = repairSources({ addresses: texts(values, 'from'), trustedKeys });
        const acceptUnverified = values['no-check-sigs'] === true;
        ({ damages, counts } = await repairStore(store, {
          ...options,
          openSources,
          acceptUnverified,
        }));
      } else {
        const report = await verifyStore(store, options);
        counts = report.counts;
        damages = report.damages.map((damage) => ({ ...damage, failure: damage.error }));
      }
    } finally {
      display.end();
    }
    const result = { damages, counts, isRepair, deep };
    stdout.write(
      json ? `${JSON.stringify(verifyJson(result), undefined, 2)}\n` : verifyText(result),
    );
    return exitCodeOf(damages);
  },
};

function exitCodeOf(damages: readonly RepairedDamage[]): ExitCode {
  const left = damages.filter(({ failure }) => failure !== undefined).length;
  if (left === 0) return ExitCode.Done;
  return left < damages.length ? ExitCode.Partial : ExitCode.Findings;
}

/** @throws USAGE an option is given that says how to repair, and nothing is to be repaired */
function refuseWithoutRepair(values: OptionValues, isRepair: boolean): void {
  if (isRepair) return;
  const options = ['from', 'trusted-public-keys', 'no-check-sigs'];
  const option = options.find((name) => values[name] !== undefined);
  if (option === undefined) return;
  throw new NarthexError('USAGE', `--${option} needs --repair`, { option });
}

async function openFor(
  isRepair: boolean,
  values: OptionValues,
  context: CommandContext,
): Promise<Store> {
  if (!isRepair) return await openForReading(values, context);
  // a store that is not there is told of as by all others
  await (await openForReading(values, context))[Symbol.asyncDispose]();
  return await openStore(storeOf(values, context), { createIfMissing: false });
}

/** The variants that are meant; their records need not be whole. @throws PATH_NOT_FOUND */
async function keysOf(store: Store, places: readonly PlaceInPath[]): Promise<VariantKey[]> {
  await using inspection = store.inspect();
  return places.flatMap(({ path, closureDigest: wanted }) => {
    const variants = [...inspection.variants.keysOf(path.digest)].filter(({ closureDigest }) => {
      if (wanted === undefined) return true;
      return typeof wanted === 'string'
        ? closureDigest.hex.startsWith(wanted)
        : closureDigest.equals(wanted);
    });
    if (variants.length > 0) return variants;
    const storePath = shownQuery(path);
    throw new NarthexError('PATH_NOT_FOUND', `${storePath} is not in the store`, { storePath });
  });
}
