/** Upstreams whose every answer a test decides about. */
import { type FailureKind, upstreamFailed } from '../../src/upstream/failure.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

/** An `UPSTREAM_FAILED` of a kind, from an upstream. */
export const failed = (url: string, kind: FailureKind) => upstreamFailed(kind, url, `is ${kind}`);

/** Makes an upstream that has nothing. */
export function fakeUpstream(url: string, parts: Partial<Upstream> & { priority?: number } = {}) {
  const { priority, ...methods } = parts;
  const state = { disposed: 0, cacheInfos: 0 };
  const upstream: Upstream = {
    url,
    async cacheInfo() {
      state.cacheInfos++;
      return { storeDir: '/nix/store', wantMassQuery: true, priority };
    },
    narinfo: async () => undefined,
    file: async () => undefined,
    async [Symbol.asyncDispose]() {
      state.disposed++;
    },
    ...methods,
  };
  return Object.assign(upstream, { state });
}
