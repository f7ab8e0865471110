/** Services put together as tests of hierarchies need them. */
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';

/**
 * Several services as one: the first answer counts, the first one takes writes. Members may be added
 * later, which is how a hierarchy comes to contain a service that it is given to.
 */
export class Hierarchy implements PathInfoService {
  readonly members: PathInfoService[];

  constructor(...members: PathInfoService[]) {
    this.members = members;
  }

  get #near(): PathInfoService {
    const [near] = this.members;
    if (near === undefined) throw new Error('a hierarchy has a member');
    return near;
  }

  readonly get: PathInfoService['get'] = async (...args) => {
    for (const member of this.members) {
      const pathInfo = await member.get(...args);
      if (pathInfo !== undefined) return pathInfo;
    }
    return undefined;
  };

  readonly has: PathInfoService['has'] = async (...args) => {
    for (const member of this.members) if (await member.has(...args)) return true;
    return false;
  };

  readonly getVariant: PathInfoService['getVariant'] = async (...args) => {
    for (const member of this.members) {
      const pathInfo = await member.getVariant(...args);
      if (pathInfo !== undefined) return pathInfo;
    }
    return undefined;
  };

  async *listVariants(
    ...args: Parameters<PathInfoService['listVariants']>
  ): AsyncGenerator<PathInfo> {
    for (const member of this.members) yield* member.listVariants(...args);
  }

  readonly put: PathInfoService['put'] = (...args) => this.#near.put(...args);
  readonly putAll: PathInfoService['putAll'] = (...args) => this.#near.putAll(...args);
  readonly list: PathInfoService['list'] = (...args) => this.#near.list(...args);
}
