/** What takes extra files, put together. */
import { DebugInfoIndex, type DebugInfoIndexOptions } from '../ingest/debugInfoIndex.ts';
import { ExtraFileIntake, type ExtraFileIntakeOptions } from '../ingest/extraFileIntake.ts';

/** The two that fill extra files: what comes from outside, and what is made from what is kept. */
export function extraFileIntakeOf(
  services: DebugInfoIndexOptions,
  options: Omit<ExtraFileIntakeOptions, keyof DebugInfoIndexOptions | 'debugInfo'>,
): { readonly debugInfo: DebugInfoIndex; readonly intake: ExtraFileIntake } {
  const debugInfo = new DebugInfoIndex(services);
  return { debugInfo, intake: new ExtraFileIntake({ ...services, ...options, debugInfo }) };
}
