/** What a mirror run tells while it goes. */
import type { IngestEvent } from '../httpService.ts';
import type { ExtraFileEvent } from '../ingest/extraFileMirror.ts';

/** An event of the ingest, or of the extra files that come after it. */
export type MirrorEvent = IngestEvent | ExtraFileEvent;
