/** What a run was measured on. */
import { execFile } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { decoderNames } from '../../src/compression/compression.ts';

/** The machine and its programs. */
export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryGb: number;
  /** Processes that wanted to run when the run began, an average over the minute before. */
  readonly load: number;
  readonly node: string;
  /** As it calls itself, or `none`. */
  readonly nix: string;
  /** The decoders of the compressions that caches are made in. */
  readonly decoders: Readonly<Record<string, string>>;
}

/** Looks. */
export async function describeMachine(): Promise<Machine> {
  const nix = await promisify(execFile)('nix', ['--version']).then(
    ({ stdout }) => stdout.trim(),
    () => 'none',
  );
  const { xz, zstd } = decoderNames();
  return {
    processors: availableParallelism(),
    model: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1e9),
    load: loadavg()[0] ?? 0,
    node: process.version,
    nix,
    decoders: { xz, zstd },
  };
}

/** One line of it. */
export function machineLine(machine: Machine): string {
  const { processors, model, memoryGb, load, node, nix, decoders } = machine;
  return (
    `${processors} processors (${model}), ${memoryGb} GB, load ${load.toFixed(1)} at the begin; ` +
    `Node ${node}, ${nix}; xz by ${decoders['xz']}, zstd by ${decoders['zstd']}`
  );
}
