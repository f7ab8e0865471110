/** What would be built of a configuration, for people and as data. Secrets are told by the names of their files. */
import { displayBytes, utf8 } from '../../bytes.ts';
import type { PublicKey } from '../../signature.ts';
import { type ListenAddress, shownListenAddress } from './listenAddress.ts';
import type { OperationConfig } from './operationConfig.ts';
import type { HoldingsConfig, ServeConfig } from './serveConfig.ts';
import {
  type HierarchyConfig,
  type Reference,
  ROOT,
  referencesOf,
  SERVICE_KINDS,
  type ServiceConfig,
  type ServiceKind,
  type UpstreamConfig,
} from './serviceConfig.ts';
import { withoutSecrets } from './urls.ts';
import { shownService } from './writePlaces.ts';

/** A thing that would be made, and what it would be made of. */
export interface ExplainedPart {
  /** What it is, in a line. */
  readonly text: string;
  readonly parts: readonly ExplainedPart[];
}

/** Everything that would be made, and the settings beside it. */
export function explainConfig(config: ServeConfig): ExplainedPart[] {
  const settings: Setting[] = [
    ['listen at', addressText(config.listen)],
    ['sign with the key of', config.secretKey?.path],
    ['take uploads with the tokens of', config.uploadTokens?.path],
    ['uploads need a signature', config.requireSignatures],
    ['form of NARs', config.compression],
    ['compression at rest', config.compress],
    ['names of NARs', config.narUrls],
    ['priority', config.priority],
    ['wait for the closure', config.waitForClosure],
    ['absences are remembered, in seconds', config.negativeTtl],
    ...operationSettings(config.operation),
  ];
  return [
    ...settings.flatMap(([name, value]) =>
      value === undefined ? [] : [leaf(`${name}: ${value}`)],
    ),
    ...explainHoldings(config.holdings),
    ...(config.upstreams.length === 0
      ? []
      : [{ text: 'filled from', parts: config.upstreams.map((one) => leaf(upstreamText(one))) }]),
  ];
}

type Setting = readonly [name: string, value: string | number | boolean | undefined];

function addressText(address: ListenAddress | undefined): string | undefined {
  return address && shownListenAddress(address);
}

function operationSettings(config: OperationConfig): Setting[] {
  return [
    ['log from the level', config.logLevel],
    ['form of logs', config.logFormat],
    ['metrics on the same port', config.metrics],
    ['metrics at', addressText(config.metricsListen)],
    ['connections', config.maxConnections],
    ['connections of one client', config.maxConnectionsPerClient],
    ['uploads at once', config.maxUploads],
    ['goes on before its end, in seconds', config.drainDelay],
    ['waits at its end, in seconds', config.drainTimeout],
  ];
}

/** Parts below each other, indented; harmless on a terminal. */
export function explainedLines(parts: readonly ExplainedPart[], indent = ''): string[] {
  return parts.flatMap(({ text, parts: below }) => [
    indent + displayBytes(utf8(text)),
    ...explainedLines(below, `${indent}  `),
  ]);
}

function explainHoldings(config: HoldingsConfig | undefined): ExplainedPart[] {
  if (config === undefined) return [leaf('store: the one that the command line names')];
  if (config.type !== 'hierarchy') return [leaf(`store: ${ownText(config)}`)];
  const { hierarchy } = config;
  const used = new Set<string>();
  const roots = SERVICE_KINDS.map((kind) =>
    explainService(hierarchy, kind, { name: ROOT, place: { key: '' } }, used),
  );
  const unused = SERVICE_KINDS.flatMap((kind) =>
    [...hierarchy[kind].keys()]
      .filter((name) => !used.has(`${kind}.${name}`))
      .map((name) => shownService(kind, name)),
  );
  return unused.length === 0
    ? roots
    : [...roots, { text: 'not used, and not made', parts: unused.map(leaf) }];
}

function explainService(
  hierarchy: HierarchyConfig,
  kind: ServiceKind,
  { name }: Reference,
  used: Set<string>,
): ExplainedPart {
  const full = shownService(kind, name);
  const key = `${kind}.${name}`;
  const config = hierarchy[kind].get(name)?.config;
  if (config === undefined) return leaf(full);
  if (used.has(key)) return leaf(`${full}, as above`);
  used.add(key);
  const parts = referencesOf(kind, config).map((outgoing) =>
    explainService(hierarchy, outgoing.kind, outgoing.reference, used),
  );
  return { text: `${full}: ${ownText(config)}`, parts };
}

function upstreamText(config: UpstreamConfig): string {
  return config.type === 'grpc' ? ownText(config) : sourceText(config);
}

function sourceText({
  baseUrls,
  trustedKeys,
  checkSignatures,
  netrc,
  narOrigins,
}: Extract<UpstreamConfig, { type: 'nix' }>): string {
  const trust = checkSignatures ? `signed by ${keyNames(trustedKeys)}` : 'unsigned ones too';
  const passwords = netrc === undefined ? '' : `, passwords from ${netrc.path}`;
  const elsewhere = narOrigins.length === 0 ? '' : `, NARs also at ${narOrigins.join(' ')}`;
  return `nix, ${baseUrls.map(withoutSecrets).join(' ')}, ${trust}${passwords}${elsewhere}`;
}

/** What a service is by itself, without what it refers to. */
function ownText(config: ServiceConfig): string {
  switch (config.type) {
    case 'memory':
      return 'memory, gone with the process';
    case 'lmdb':
      return `lmdb, ${config.path}${config.readOnly ? ', for reading' : ''}`;
    case 'grpc': {
      const token = config.token === undefined ? '' : `, with the token of ${config.token.path}`;
      const trust =
        'trust' in config
          ? `, ${config.trust === 'peer' ? 'believed' : `signed by ${keyNames(config.trust)}`}`
          : '';
      return `grpc, ${withoutSecrets(config.url)}${trust}${token}`;
    }
    case 'cache':
      return 'cache, near before far';
    case 'lru':
      return `lru, up to ${config.maximum}`;
    case 'priority':
      return 'priority, the first that has it';
    case 'readonly':
      return 'readonly';
    case 'signing':
      return `signing with ${config.secretKey.value.name} on the way ${config.when}`;
    case 'nix':
      return `${sourceText(config)}, frankenbuild ${config.frankenbuild}`;
  }
}

function keyNames(keys: readonly PublicKey[]): string {
  return keys.length === 0 ? 'nobody' : keys.map(({ name }) => name).join(', ');
}

function leaf(text: string): ExplainedPart {
  return { text, parts: [] };
}
