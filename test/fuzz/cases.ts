/**
 * Inputs that were findings once, also of faults that were put in to see whether they are found:
 * `cases/<target>/<name>`. They stay findings nevermore.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from './fuzzer.ts';

const CASES = fileURLToPath(new URL('cases', import.meta.url));

/** The inputs of a target, by name. */
export function casesOf(target: string): [name: string, input: Uint8Array][] {
  const directory = join(CASES, target);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((name) => [name, readFileSync(join(directory, name))]);
}

/** Keeps a finding. @returns the file */
export function keepCase(target: string, { input }: Finding): string {
  const directory = join(CASES, target);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, createHash('sha256').update(input).digest('hex').slice(0, 12));
  writeFileSync(file, input);
  return file;
}
