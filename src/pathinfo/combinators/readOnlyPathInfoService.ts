/** A service that takes no writes, whatever the one underneath takes. */
import { NarthexError } from '../../errors.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import { MappedPathInfoService } from './mappedPathInfoService.ts';

/** Reads only. */
export class ReadOnlyPathInfoService extends MappedPathInfoService {
  constructor(inner: PathInfoService) {
    super(inner, { in: (pathInfo) => pathInfo, out: (pathInfo) => pathInfo });
  }

  /** @throws READ_ONLY always */
  override async put(pathInfo: PathInfo): Promise<PathInfo> {
    throw readOnly({ storePath: pathInfo.storePath.absolute });
  }

  /** @throws READ_ONLY unless there is nothing to put */
  override async putAll(pathInfos: readonly PathInfo[]): Promise<PathInfo[]> {
    const [first] = pathInfos;
    return first === undefined ? [] : [await this.put(first)];
  }

  /** @throws READ_ONLY always */
  override async prefer(): Promise<PreferResult> {
    throw readOnly({});
  }
}

function readOnly(facts: Readonly<Record<string, string>>): NarthexError {
  return new NarthexError('READ_ONLY', 'this PathInfo service takes no writes', facts);
}
