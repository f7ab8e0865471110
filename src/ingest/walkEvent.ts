/** What a closure walk tells while it goes. */
import type { NarInfo } from '../narinfo/narinfo.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';

/** What a walk tells while it goes. */
export type WalkEvent =
  /** The path is there already. */
  | { readonly type: 'present'; readonly pathInfo: PathInfo }
  /** Its narinfo is verified; its content will be fetched. */
  | { readonly type: 'found'; readonly narInfo: NarInfo; readonly origin: string }
  | { readonly type: 'fetching'; readonly narInfo: NarInfo }
  /** Its content is in; it is kept once its references are. */
  | { readonly type: 'fetched'; readonly narInfo: NarInfo }
  | { readonly type: 'kept'; readonly pathInfo: PathInfo }
  /** It will not be kept; `path` is its base name, or its hash part where the name is not known. */
  | { readonly type: 'failed'; readonly path: string; readonly error: unknown };
