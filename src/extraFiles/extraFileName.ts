/**
 * The names of a binary cache's extra files: what it may have besides narinfos, NARs and listings.
 *
 *     log/<derivation>                        the log of its build
 *     realisations/<drv hash>!<output>.doi    the store path that an output became
 *     build-trace-v2/<derivation>/<output>.doi
 *                                             the same, as Nix writes it from 2.35 on
 *     debuginfo/<build id>[.debug]            where the debug information of an executable is
 *
 * A derivation is the base name of its store path, with `.drv`; a drv hash is `sha256:` and 64
 * hexadecimal digits (Nix: `DrvOutput::strHash`). Nothing is percent-decoded, and no name leads out of
 * its folder.
 */
import { isNarthexError } from '../errors.ts';
import { STORE_PATH_NAME_MAX_LENGTH, StorePath } from '../storePath.ts';

/** Names one extra file. */
export type ExtraFileName =
  | { readonly kind: 'log'; readonly derivation: StorePath }
  /** `drvHash`: `sha256:` and hexadecimal, of the derivation modulo its fixed-output inputs. */
  | { readonly kind: 'realisation'; readonly drvHash: string; readonly output: string }
  | { readonly kind: 'buildTrace'; readonly derivation: StorePath; readonly output: string }
  /** `buildId`: hexadecimal, in lower case. */
  | { readonly kind: 'debugInfo'; readonly buildId: string };

/** What an extra file can be. */
export type ExtraFileKind = ExtraFileName['kind'];

/** An output's name ends up in a store path's; `?` would end the path of a URL. */
const OUTPUT = /^[0-9A-Za-z+\-._=]+$/;
const LOG = /^log\/(?<derivation>[^/]+)$/;
const REALISATION = /^realisations\/(?<drvHash>sha256:[0-9a-f]{64})!(?<output>[^/]+)\.doi$/;
const BUILD_TRACE = /^build-trace-v2\/(?<derivation>[^/]+)\/(?<output>[^/]+)\.doi$/;
/** Linkers make ids of 8 bytes (lld's fast ones), 16 and 20; `--build-id=0x…` takes any. */
const DEBUG_INFO = /^debuginfo\/(?<buildId>(?:[0-9a-f]{2}){4,64})(?:\.debug)?$/;

/** The name of the extra file at `path`, which begins below the cache; `undefined` for all others. */
export function parseExtraFileName(path: string): ExtraFileName | undefined {
  const log = LOG.exec(path)?.groups;
  if (log !== undefined) {
    const derivation = derivationOf(log['derivation']);
    return derivation && { kind: 'log', derivation };
  }
  const realisation = REALISATION.exec(path)?.groups;
  if (realisation !== undefined) {
    const { drvHash = '', output = '' } = realisation;
    return isOutputName(output) ? { kind: 'realisation', drvHash, output } : undefined;
  }
  const trace = BUILD_TRACE.exec(path)?.groups;
  if (trace !== undefined) {
    const { output = '' } = trace;
    const derivation = derivationOf(trace['derivation']);
    return derivation && isOutputName(output)
      ? { kind: 'buildTrace', derivation, output }
      : undefined;
  }
  const buildId = DEBUG_INFO.exec(path)?.groups?.['buildId'];
  return buildId === undefined ? undefined : { kind: 'debugInfo', buildId };
}

/** The path below the cache, the same for all spellings of a name. */
export function extraFilePath(name: ExtraFileName): string {
  switch (name.kind) {
    case 'log':
      return `log/${name.derivation.baseName}`;
    case 'realisation':
      return `realisations/${realisationId(name)}.doi`;
    case 'buildTrace':
      return `build-trace-v2/${name.derivation.baseName}/${name.output}.doi`;
    case 'debugInfo':
      return `debuginfo/${name.buildId}.debug`; // as Nix writes it
  }
}

/** That path as a relative URL: a `?` in a derivation's name is no query. */
export function extraFileUrl(name: ExtraFileName): string {
  return extraFilePath(name).replaceAll('?', '%3F');
}

/** `<drv hash>!<output>`, as realisations name themselves. */
export function realisationId(name: Extract<ExtraFileName, { kind: 'realisation' }>): string {
  return `${name.drvHash}!${name.output}`;
}

/** Whether a derivation's output can be called so. */
export function isOutputName(text: string): boolean {
  const isPlace = text === '.' || text === '..';
  return OUTPUT.test(text) && !isPlace && text.length <= STORE_PATH_NAME_MAX_LENGTH;
}

function derivationOf(baseName = ''): StorePath | undefined {
  try {
    const storePath = StorePath.fromBaseName(baseName);
    return storePath.isDerivation ? storePath : undefined;
  } catch (error) {
    if (isNarthexError(error)) return undefined;
    throw error;
  }
}
