/** What a request is for, in few words: no path may ever be a label of a metric. */
import { PINNED_CLOSURE_PREFIX } from '../cacheRoutes/pinnedClosureRoutes.ts';
import type { RequestRecord } from '../server/serverObserver.ts';

/** All there are. */
export const REQUEST_KINDS = [
  'narinfo',
  'nar',
  'nar.zst',
  'nar-infused',
  'listing',
  'cache-info',
  'extra',
  'upload',
  'grpc',
  'operation',
  'other',
] as const;
/** A kind of request. */
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** Paths of {@link OperationRoutes} (operationRoutes.ts). */
export const OPERATION_PATHS = {
  metrics: '/metrics',
  health: '/healthz',
  readiness: '/readyz',
} as const;

const OPERATION: ReadonlySet<string> = new Set(Object.values(OPERATION_PATHS));
/** Below a pinned closure all is as at the root. */
const PINNED = new RegExp(`^${PINNED_CLOSURE_PREFIX}[^/]*`);
/** By what a path is, with no look at what it names. */
const KINDS: readonly (readonly [RequestKind, RegExp])[] = [
  ['narinfo', /^\/[0-9a-z]{32}\.narinfo$/],
  ['nar-infused', /^\/nar\/snix-castore\//],
  ['nar', /^\/nar\/[^/]*\.nar$/],
  ['nar.zst', /^\/nar\/[^/]*\.nar\.zst$/],
  ['listing', /^\/[0-9a-z]{32}\.ls$/],
  ['cache-info', /^\/nix-cache-info$/],
  ['extra', /^\/(?:log|realisations|build-trace-v2|debuginfo)\/[^/]/],
];

/** The kind of a request. */
export function requestKind({
  path,
  method,
  isGrpc,
}: Pick<RequestRecord, 'path' | 'method' | 'isGrpc'>): RequestKind {
  if (isGrpc) return 'grpc';
  if (method === 'PUT') return 'upload';
  if (OPERATION.has(path)) return 'operation';
  const file = path.replace(PINNED, '');
  return KINDS.find(([, pattern]) => pattern.test(file))?.[0] ?? 'other';
}
