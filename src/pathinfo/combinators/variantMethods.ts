/** What services that hold variants can do besides, for combinators over any service. */
import type { Digest } from '../../castore/digest.ts';
import { NarthexError } from '../../errors.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import type { VariantService } from '../variantService.ts';

/** Whether a service lets one choose among variants. */
export function isVariantService(service: PathInfoService): service is VariantService {
  return 'getByClosureDigest' in service && 'prefer' in service;
}

/** @throws UNSUPPORTED the service knows store paths only */
export async function getByClosureDigest(
  service: PathInfoService,
  closureDigest: Digest,
  options: PathInfoOptions | undefined,
): Promise<PathInfo | undefined> {
  if (!isVariantService(service)) throw unsupported('getByClosureDigest');
  return await service.getByClosureDigest(closureDigest, options);
}

/** @throws UNSUPPORTED the service holds no variants to choose from, and what `prefer` throws */
export async function prefer(
  service: PathInfoService,
  digest: Uint8Array,
  closureDigest: Digest,
  options: PathInfoOptions | undefined,
): Promise<PreferResult> {
  if (!isVariantService(service)) throw unsupported('prefer');
  return await service.prefer(digest, closureDigest, options);
}

function unsupported(method: string): NarthexError {
  return new NarthexError('UNSUPPORTED', `a service underneath has no ${method}`, { method });
}
