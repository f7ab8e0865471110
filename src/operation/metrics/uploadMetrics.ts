/** Uploads over HTTP. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { UploadEvent } from '../../cacheRoutes/uploadEvent.ts';

/** Registers them. @returns counts uploads */
export function uploadMetrics(registry: Registry): (event: UploadEvent) => void {
  const registers = [registry];
  const uploads = new Counter({
    name: 'narthex_uploads_total',
    help: 'Uploads over HTTP by what it was and what became of it: taken, or the code of the refusal.',
    labelNames: ['file', 'result'],
    registers,
  });
  const underWay = new Gauge({
    name: 'narthex_uploads_in_flight',
    help: 'Uploads over HTTP under way.',
    registers,
  });
  return (event) => {
    if (event.type === 'begun') underWay.inc();
    else if (event.type === 'ended') underWay.dec();
    else uploads.inc({ file: event.file, result: event.type === 'taken' ? 'taken' : event.code });
  };
}
