/** What `narthex serve` can be told, in a file or on the command line. */

import type { PublicKey, SecretKey } from '../../signature.ts';
import type { UploadTokens } from '../../uploadTokens.ts';
import type { RestCompression } from '../restCompression.ts';
import type { ListenAddress } from './listenAddress.ts';
import type { OperationConfig } from './operationConfig.ts';
import type {
  FromFile,
  HierarchyConfig,
  LmdbConfig,
  MemoryConfig,
  UpstreamConfig,
} from './serviceConfig.ts';

/** Where what is served is kept: an embedded store, memory, or services that refer to each other. */
export type HoldingsConfig =
  | LmdbConfig
  | MemoryConfig
  | { readonly type: 'hierarchy'; readonly hierarchy: HierarchyConfig };

/** Settings; what is not told is `undefined`, so that a command line can go before a file. */
export interface ServeConfig {
  readonly listen: ListenAddress | undefined;
  readonly holdings: HoldingsConfig | undefined;
  readonly upstreams: readonly UpstreamConfig[];
  /** Whose signatures count where nothing else is said. */
  readonly trustedKeys: readonly PublicKey[];
  readonly secretKey: FromFile<SecretKey> | undefined;
  readonly uploadTokens: FromFile<UploadTokens> | undefined;
  readonly requireSignatures: boolean | undefined;
  readonly compression: 'none' | 'zstd' | undefined;
  /** How what comes in lies at rest. */
  readonly compress: RestCompression | undefined;
  readonly narUrls: 'narHash' | 'infused' | undefined;
  /** Of nix-cache-info. */
  readonly priority: number | undefined;
  readonly waitForClosure: boolean | undefined;
  /** Seconds. */
  readonly negativeTtl: number | undefined;
  readonly operation: OperationConfig;
}
