/** Upstreams by their addresses, as `serve --upstream` takes them. */
import { readUpstreamAddress } from '../../src/composition/config/readConfig.ts';
import type { UpstreamConfig } from '../../src/composition/config/serviceConfig.ts';
import type { PublicKey } from '../../src/signature.ts';

/** All of them, with the same keys trusted where an address names no others. */
export async function upstreamsAt(
  addresses: readonly string[],
  trustedKeys: readonly PublicKey[],
): Promise<UpstreamConfig[]> {
  const files = { directory: process.cwd(), readText: () => Promise.reject(new Error('no file')) };
  return await Promise.all(
    addresses.map((address) => readUpstreamAddress(address, 'upstream', files, { trustedKeys })),
  );
}
