/** All targets, by the names that `--only` takes. */
import { COMPRESSIONS } from '../../src/compression/compression.ts';
import type { FuzzTarget } from './target.ts';
import { directoryTarget, entryTarget } from './targets/castore.ts';
import { addressTarget, configTarget } from './targets/config.ts';
import { decoderTarget } from './targets/decoder.ts';
import { listingTarget } from './targets/listing.ts';
import { narTarget } from './targets/nar.ts';
import { cacheInfoTarget, narInfoTarget } from './targets/narinfo.ts';
import { protoTargets } from './targets/proto.ts';
import { recordTargets } from './targets/records.ts';
import { routesTarget } from './targets/routes.ts';
import { socketTarget } from './targets/socket.ts';
import { textTarget } from './targets/texts.ts';
import { zipTarget } from './targets/zip.ts';

/** How to open each. */
export const TARGETS: Readonly<Record<string, () => FuzzTarget | Promise<FuzzTarget>>> = {
  narinfo: narInfoTarget,
  'nix-cache-info': cacheInfoTarget,
  nar: narTarget,
  listing: listingTarget,
  texts: textTarget,
  'castore-directory': directoryTarget,
  'castore-entry': entryTarget,
  ...protoTargets,
  ...recordTargets,
  ...Object.fromEntries(COMPRESSIONS.map((one) => [`decoder-${one}`, () => decoderTarget(one)])),
  config: configTarget,
  'config-address': addressTarget,
  zip: zipTarget,
  routes: routesTarget,
  socket: socketTarget,
};
