/**
 * Of undici, what is asked with. The package's own entry brings `fetch`, caches, proxies and mocks along, which
 * take longer to load than most commands to run; so its two modules are named, of the exact version that
 * `package.json` pins.
 */
import { createRequire } from 'node:module';
import type { Dispatcher, Agent as UndiciAgent } from 'undici';

const require = createRequire(import.meta.url);

/** Makes connections, so many to each origin. */
// only the package as a whole has types; these are those of what its entry exports
export const Agent = require('undici/lib/dispatcher/agent.js') as typeof UndiciAgent;
export type Agent = UndiciAgent;

const dispatchRequest = require('undici/lib/api/api-request.js') as (
  this: Dispatcher,
  options: Dispatcher.RequestOptions,
) => Promise<Dispatcher.ResponseData>;

/** One GET, without redirects. */
export async function request(
  dispatcher: Dispatcher,
  url: URL,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'>,
): Promise<Dispatcher.ResponseData> {
  const path = url.pathname + url.search;
  return await dispatchRequest.call(dispatcher, {
    ...options,
    origin: url.origin,
    path,
    method: 'GET',
  });
}
