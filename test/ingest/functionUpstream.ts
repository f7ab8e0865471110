/** An upstream whose files a function makes: the real service without a network. */
import { parseCacheInfo } from '../../src/narinfo/cacheInfo.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

/** @param source the file at a path relative to the cache, or `undefined` */
export function functionUpstream(source: (path: string) => Uint8Array | undefined): Upstream {
  return {
    url: 'function:',
    cacheInfo: async () => parseCacheInfo(source('nix-cache-info') ?? new Uint8Array(0)),
    narinfo: async (hashPart) => source(`${hashPart}.narinfo`),
    async file(url) {
      const bytes = source(url);
      if (bytes === undefined) return undefined;
      return {
        sizeBytes: bytes.length,
        body: (async function* () {
          yield bytes;
        })(),
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}
