/** What `narthex serve` is told: by its command line, else by a configuration file, else by default. */
import { readFile } from 'node:fs/promises';
import type { ListenAddress } from '../composition/config/listenAddress.ts';
import type { OperationConfig } from '../composition/config/operationConfig.ts';
import { readStoreAddress, readUpstreamAddress } from '../composition/config/readConfig.ts';
import type { HoldingsConfig, ServeConfig } from '../composition/config/serveConfig.ts';
import type { UpstreamConfig } from '../composition/config/serviceConfig.ts';
import { unwritablePart } from '../composition/config/writePlaces.ts';
import type { FarSettings } from '../composition/farServices.ts';
import type { RestCompression } from '../composition/restCompression.ts';
import type { ServeSettings } from '../composition/serveStore.ts';
import { NarthexError } from '../errors.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { ListenPlace } from '../server/listenPlace.ts';
import { CACHE_NIXOS_ORG_KEY, parsePublicKeys, SecretKey } from '../signature.ts';
import { UploadTokens } from '../uploadTokens.ts';
import type { CommandContext, OptionValues } from './command.ts';
import { COMMAND_LINE_FILES, readConfigFile } from './configFile.ts';
import { listenAddressOf } from './listenOption.ts';
import { operationOf } from './operationOptions.ts';
import { compressionOf, count, NAR_ORIGIN, oneOf, storeOf, text, texts } from './options.ts';
import { passedSocket } from './socketActivation.ts';

/** Where it listens when nobody says. */
export const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 8080 };

const MILLISECONDS = 1000;

/** All that is needed to serve. */
export type CompleteServeSettings = Omit<ServeSettings, 'pathInfoService' | 'pending'> &
  Omit<FarSettings, 'onFailure' | 'onPath'> & {
    readonly holdings: HoldingsConfig;
    readonly operation: OperationConfig;
    /** How what comes in lies at rest. */
    readonly compress: RestCompression | undefined;
  };

/**
 * Reads the options and the files that they name.
 * @throws USAGE | KEY_INVALID | CONFIG_INVALID
 */
export async function serveSettings(
  values: OptionValues,
  context: CommandContext,
): Promise<CompleteServeSettings> {
  const file = text(values, 'config');
  const keys = text(values, 'trusted-public-keys');
  const given = keys === undefined ? {} : { trustedKeys: parsePublicKeys(keys) };
  const config: Partial<ServeConfig> = file === undefined ? {} : await readConfigFile(file, given);
  const trustedKeys = given.trustedKeys ?? config.trustedKeys ?? [CACHE_NIXOS_ORG_KEY];
  const upstreams = [...(config.upstreams ?? [])];
  for (const address of texts(values, 'upstream')) {
    const trusted = { trustedKeys };
    upstreams.push(await readUpstreamAddress(address, '--upstream', COMMAND_LINE_FILES, trusted));
  }
  const narOrigins = texts(values, NAR_ORIGIN);
  const narUrls = oneOf(values, 'nar-urls', ['narhash', 'infused']);
  const namedUrls = narUrls === 'infused' ? 'infused' : narUrls && 'narHash';
  const tokens = (await tokensOf(values)) ?? config.uploadTokens?.value;
  const holdings = holdingsOf(values, context, config);
  const unwritable = unwritablePart(holdings);
  if (unwritable !== undefined && (upstreams.length > 0 || tokens !== undefined)) {
    const what = upstreams.length > 0 ? 'what upstreams have' : 'what is uploaded';
    throw new NarthexError('USAGE', `there is no place for ${what}: ${unwritable} takes no writes`);
  }
  const negativeTtl = count(values, 'negative-ttl', 0) ?? config.negativeTtl;
  const checkSignatures =
    values['require-signatures'] === true || config.requireSignatures === true;
  const operation = operationOf(values, config.operation);
  const { maxConnections, maxConnectionsPerClient, maxUploads, drainTimeout } = operation;
  return {
    ...listenPlaceOf(values, context, config),
    maxConnections,
    maxConnectionsPerClient,
    drainTimeoutMs: drainTimeout === undefined ? undefined : drainTimeout * MILLISECONDS,
    operation,
    holdings,
    upstreams: upstreams.map((one) => withNarOrigins(one, narOrigins)),
    waitForClosure: values['wait-for-closure'] === true || config.waitForClosure,
    negativeTtlMs: negativeTtl === undefined ? undefined : negativeTtl * MILLISECONDS,
    compression: oneOf(values, 'compression', ['none', 'zstd']) ?? config.compression ?? 'none',
    compress: compressionOf(values) ?? config.compress,
    priority: count(values, 'priority', 0) ?? config.priority,
    narUrls: namedUrls ?? config.narUrls ?? 'narHash',
    secretKey: (await secretKeyOf(values)) ?? config.secretKey?.value,
    uploads: tokens && {
      tokens,
      trust: new TrustPolicy(trustedKeys, { checkSignatures }),
      maxUploads,
    },
  };
}

/** Where the command line says, else the socket that systemd has passed, else where the file says. */
function listenPlaceOf(
  values: OptionValues,
  { environment }: CommandContext,
  { listen }: Partial<ServeConfig>,
): ListenPlace {
  const address = listenAddressOf(values, 'listen');
  if (address !== undefined) return address;
  const fd = passedSocket(environment, process.pid);
  return fd === undefined ? (listen ?? DEFAULT_LISTEN) : { fd };
}

/** With further origins of NARs, if it is a binary cache. */
function withNarOrigins(upstream: UpstreamConfig, narOrigins: readonly string[]): UpstreamConfig {
  if (upstream.type !== 'nix') return upstream;
  return { ...upstream, narOrigins: [...upstream.narOrigins, ...narOrigins] };
}

/** The store of the command line, else what the file says, else the default one. */
function holdingsOf(
  values: OptionValues,
  context: CommandContext,
  { holdings }: Partial<ServeConfig>,
): HoldingsConfig {
  const given = text(values, 'store');
  if (given !== undefined && given !== '') {
    return readStoreAddress(given, '--store', COMMAND_LINE_FILES);
  }
  if (given === undefined && holdings !== undefined) return holdings;
  return { type: 'lmdb', path: storeOf(values, context), readOnly: false };
}

/** The key of the file that is named, if one is. @throws USAGE | KEY_INVALID */
async function secretKeyOf(values: OptionValues): Promise<SecretKey | undefined> {
  const content = await contentOf(values, 'secret-key-file');
  return content === undefined ? undefined : SecretKey.parse(content.trim());
}

/** The tokens of the file that is named, if one is. @throws USAGE | KEY_INVALID */
async function tokensOf(values: OptionValues): Promise<UploadTokens | undefined> {
  const content = await contentOf(values, 'upload-token-file');
  return content === undefined ? undefined : UploadTokens.parse(content);
}

/** What the file holds that an option names. @throws USAGE */
async function contentOf(values: OptionValues, option: string): Promise<string | undefined> {
  const file = text(values, option);
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: String(error) };
    const facts = { option, actual: file };
    throw new NarthexError('USAGE', `--${option} cannot be read: ${message}`, facts);
  }
}
