/** Opening several upstreams, of which some may not be there. */
import { isNarthexError, NarthexError } from '../errors.ts';
import { type OpenUpstreamOptions, openUpstream } from '../upstream/openUpstream.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { LateUpstream } from './lateUpstream.ts';

/** An address that {@link openUpstream} takes, or an upstream that is open already. */
export type UpstreamAddress = string | URL | Upstream;

/**
 * Opens all of them. One that is not there now does not stop the others and is tried again when it
 * is asked; an address that makes no sense does.
 * @throws UPSTREAM_URL_INVALID after those that could be opened were closed
 */
export async function openUpstreams(
  addresses: readonly UpstreamAddress[],
  options: OpenUpstreamOptions,
): Promise<Upstream[]> {
  const opening = await Promise.allSettled(addresses.map((one) => openOrDefer(one, options)));
  const opened = opening.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = opening.find((one) => one.status === 'rejected');
  if (failed === undefined) return opened;
  await Promise.allSettled(opened.map((upstream) => upstream[Symbol.asyncDispose]()));
  throw failed.reason;
}

async function openOrDefer(
  address: UpstreamAddress,
  options: OpenUpstreamOptions,
): Promise<Upstream> {
  if (typeof address !== 'string' && !(address instanceof URL)) return address;
  const open = () => openUpstream(address, options);
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof NarthexError) || isNarthexError(error, 'UPSTREAM_URL_INVALID')) {
      throw error;
    }
    return new LateUpstream(String(address), open);
  }
}
