/** What a server bears with: how much at once, and for how long. */

/** The limits by name; durations in milliseconds. */
export interface ServerLimits {
  /** More connections are closed as they come. */
  readonly maxConnections: number;
  /**
   * More connections from one client (an IPv4 address, or the first 64 bits of an IPv6 one) are closed as they
   * come. Behind a proxy all clients are one.
   */
  readonly maxConnectionsPerClient: number;
  /** After so many a connection is closed; clients open another one. */
  readonly maxRequestsPerConnection: number;
  /** Until a connection has told its protocol, and then until the headers of a request are complete. */
  readonly headersTimeoutMs: number;
  /** Until an answer begins; counted for requests without a body. */
  readonly answerTimeoutMs: number;
  /** So long a connection is kept for the next request. */
  readonly keepAliveTimeoutMs: number;
  /** For so long a client may send nothing of a body that is waited for. */
  readonly bodyIdleTimeoutMs: number;
  /** For so long a client may take nothing of an answer. */
  readonly stalledClientMs: number;
  /** When closing, what is under way has so long; then it is broken off. */
  readonly drainTimeoutMs: number;
}

/** Defaults; each says where its number comes from. */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  // each holds a file descriptor and some KB; the memory of answers has its own budget (bodiesInFlight.ts)
  maxConnections: 4096,
  // most servers are behind a proxy
  maxConnectionsPerClient: Number.POSITIVE_INFINITY,
  // Nix asks for some thousand narinfos in a row; what a connection gathers in memory goes with it
  maxRequestsPerConnection: 10_000,
  // against clients that dribble them
  headersTimeoutMs: 20_000,
  // Nix gives up after that (stalled-download-timeout)
  answerTimeoutMs: 5 * 60_000,
  // Nix asks for many paths one after the other
  keepAliveTimeoutMs: 60_000,
  // an upload may take hours as a whole
  bodyIdleTimeoutMs: 60_000,
  stalledClientMs: 5 * 60_000,
  drainTimeoutMs: 30_000,
};

/** Some of the limits. */
export type GivenServerLimits = { readonly [Name in keyof ServerLimits]?: number | undefined };

/** The limits that are given, among other things, and the defaults of all others. */
export function serverLimits(given: GivenServerLimits): ServerLimits {
  const named = Object.entries(given).filter(
    ([name, value]) => name in DEFAULT_SERVER_LIMITS && value !== undefined,
  );
  return { ...DEFAULT_SERVER_LIMITS, ...Object.fromEntries(named) };
}
