/** Paths that are brought in on demand. */
import { Counter, type Registry } from 'prom-client';
import type { PathEvent, PullThroughFigures } from '../../pullThrough/pullThroughOptions.ts';
import { codeOf } from './codeOf.ts';
import { gauges } from './gauges.ts';

/** Registers them. @returns counts what became of a path */
export function ingestMetrics(registry: Registry): (event: PathEvent) => void {
  const registers = [registry];
  const paths = new Counter({
    name: 'narthex_ingest_paths_total',
    help: 'Store paths that were brought in on demand (kept), or failed, by the code of the error.',
    labelNames: ['result'],
    registers,
  });
  const narBytes = new Counter({
    name: 'narthex_ingest_nar_bytes_total',
    help: 'Sum of the NarSizes of the paths that were kept.',
    registers,
  });
  return (event) => {
    if (event.type === 'failed') {
      paths.inc({ result: codeOf(event.error) });
    } else {
      paths.inc({ result: 'kept' });
      narBytes.inc(event.pathInfo.claim.narSize);
    }
  };
}

/** Registers what is under way. */
export function ingestFigureMetrics(registry: Registry, look: () => PullThroughFigures): void {
  gauges(registry, look, [
    {
      name: 'narthex_ingest_pending_paths',
      help: 'Store paths that are told and not kept yet.',
      value: ({ pendingPaths }) => pendingPaths,
    },
    {
      name: 'narthex_ingest_closures_running',
      help: 'Closures that are being brought in.',
      value: ({ runningClosures }) => runningClosures,
    },
    {
      name: 'narthex_ingest_closures_waiting',
      help: 'Closures that wait for their turn.',
      value: ({ waitingClosures }) => waitingClosures,
    },
    {
      name: 'narthex_ingest_nars_waiting',
      help: 'NARs that clients wait for and that wait for their turn.',
      value: ({ waitingNars }) => waitingNars,
    },
    {
      name: 'narthex_ingest_spool_bytes',
      help: 'Disk that is spoken for by NARs that are given while they come in.',
      value: ({ spoolBytes }) => spoolBytes,
    },
  ]);
}
