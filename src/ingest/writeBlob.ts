/** Writing one blob. */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';

/** Writes a blob, whole or as it comes. What breaks off leaves nothing behind. */
export async function writeBlob(
  service: Pick<BlobService, 'openWrite'>,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  options: ServiceOptions = {},
): Promise<{ readonly digest: Digest; readonly size: number }> {
  await using writer = service.openWrite(options);
  if (content instanceof Uint8Array) await writer.write(content);
  else for await (const bytes of content) await writer.write(bytes);
  return await writer.close();
}
