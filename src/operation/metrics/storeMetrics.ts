/** What a store holds. */
import type { Registry } from 'prom-client';
import type { StoreStats } from '../../store/storeStats.ts';
import { gauges } from './gauges.ts';

/** Registers it; before it is known the gauges have no value. */
export function storeMetrics(
  registry: Registry,
  look: () => Promise<StoreStats | undefined>,
): void {
  gauges(registry, look, [
    {
      name: 'narthex_store_paths',
      help: 'Store paths in the current view.',
      value: ({ paths }) => paths,
    },
    {
      name: 'narthex_store_variants',
      help: 'Variants of store paths, current or not.',
      value: ({ variants }) => variants,
    },
    {
      name: 'narthex_store_nar_bytes',
      help: 'Sum of the NarSizes of the current view.',
      value: ({ narBytes }) => narBytes,
    },
    {
      name: 'narthex_store_unique_bytes',
      help: 'Bytes of all distinct content, decoded.',
      value: ({ uniqueBytes }) => uniqueBytes,
    },
    {
      name: 'narthex_store_stored_bytes',
      help: 'Bytes that the store takes on disk.',
      value: ({ storedBytes }) => storedBytes,
    },
    { name: 'narthex_store_packs', help: 'Pack files.', value: ({ packs }) => packs },
  ]);
}
