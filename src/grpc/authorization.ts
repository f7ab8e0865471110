/** Who may write. */
import type { HandlerContext } from '@connectrpc/connect';
import { NarthexError } from '../errors.ts';

/** From an `Authorization` header to the name of an uploader; `undefined` for who is none. */
export type Authorize = (authorization: string | undefined) => string | undefined;

/**
 * The name of the uploader who calls.
 * @throws READ_ONLY nobody may write
 * @throws UNAUTHENTICATED this one may not
 */
export function requireUploader(context: HandlerContext, authorize: Authorize | undefined): string {
  const method = `${context.service.typeName}/${context.method.name}`;
  if (authorize === undefined) {
    throw new NarthexError('READ_ONLY', 'no writes are taken here', { method });
  }
  const uploader = authorize(context.requestHeader.get('authorization') ?? undefined);
  if (uploader === undefined) {
    throw new NarthexError('UNAUTHENTICATED', 'a write needs a token that is known here', {
      method,
    });
  }
  return uploader;
}
