/** What is fuzzed, and what counts as a finding. */
import { isNarthexError, type NarthexError } from '../../src/errors.ts';

/**
 * Something that takes bytes from outside. For every input it must give a correct result, or throw a
 * `NarthexError`, within bounded time and memory.
 */
export interface FuzzTarget extends AsyncDisposable {
  readonly name: string;
  /** Valid inputs, from which others are made. */
  readonly seeds: readonly Uint8Array[];
  /** Words of the format, put in here and there. */
  readonly words: readonly Uint8Array[];
  /**
   * Takes an input.
   * @returns how it was taken, in a word; inputs that are taken otherwise than all before are kept
   * @throws a `NarthexError` for what is refused
   * @throws a {@link Disagreement} for a result that is wrong
   */
  run(input: Uint8Array): string | Promise<string>;
}

/** A target that owns nothing. */
export function pureTarget(parts: Omit<FuzzTarget, typeof Symbol.asyncDispose>): FuzzTarget {
  return { ...parts, async [Symbol.asyncDispose]() {} };
}

/** Checks a result. @throws Disagreement */
export function agree(what: string, expected: unknown, actual: unknown): void {
  const same =
    expected instanceof Uint8Array && actual instanceof Uint8Array
      ? Buffer.compare(expected, actual) === 0
      : expected === actual;
  if (!same) throw new Disagreement(`${what}: ${shown(expected)}, then ${shown(actual)}`);
}

function shown(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
  return JSON.stringify(text.slice(0, 200));
}

/** A result that is wrong. */
export class Disagreement extends Error {
  override readonly name = 'Disagreement';
}

/** What came of an input. */
export interface Outcome {
  /** `taken`, or the code of the error. */
  readonly word: string;
  /** Why it is a finding, if it is one. */
  readonly finding: string | undefined;
}

/** What an input may cost: far more than any takes, so that a slow machine makes no findings. */
export const MAX_CPU_MS = 4_000;
/** How much of memory an input may add to the most that the process ever had. */
export const MAX_GROWTH_BYTES = 512 * 1024 * 1024;

const KIB = 1024;

/** Runs a target and judges. */
export async function judge(target: FuzzTarget, input: Uint8Array): Promise<Outcome> {
  const before = process.resourceUsage();
  let word: string;
  let finding: string | undefined;
  try {
    word = await target.run(input);
  } catch (error) {
    if (isNarthexError(error)) word = wordOf(error);
    else {
      word = error instanceof Error ? error.name : String(error);
      finding = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  const after = process.resourceUsage();
  const cpuMs =
    (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1000;
  const growthBytes = (after.maxRSS - before.maxRSS) * KIB;
  if (cpuMs > MAX_CPU_MS) finding ??= `it took ${Math.round(cpuMs)} ms of CPU`;
  if (growthBytes > MAX_GROWTH_BYTES) finding ??= `it took ${growthBytes} bytes of memory`;
  return { word, finding };
}

/** A name of a field, not text of the input. */
const FIELD = /^[A-Za-z_.[\]#]{1,60}$/;

/** Errors of one code differ in what they are about, and are then different ways to be refused. */
function wordOf({ code, facts }: NarthexError): string {
  const about = [facts['field'], facts['limit']]
    .filter((fact) => typeof fact === 'string')
    .map((fact) => fact.replace(/[0-9]+/g, '#')); // lists have their positions in it
  return [code, ...about.filter((fact) => FIELD.test(fact))].join(' ');
}
