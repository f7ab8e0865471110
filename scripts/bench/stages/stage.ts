/** Measuring the stages of an ingest one by one, each on one thread as far as it is ours. */
import { alternate } from '../measure/alternate.ts';
import { type Spread, spreadOf } from '../measure/spread.ts';

/** One thing that is done to bytes. */
export interface Stage {
  readonly name: string;
  /** Bytes of NAR that one run is worth. */
  readonly narBytes: number;
  run(): Promise<void> | void;
}

/** What a stage costs. */
export interface StageCost {
  readonly name: string;
  readonly megabytesPerSecond: Spread;
  /** CPU time of this process, all its threads, for a byte of NAR; the median. */
  readonly cpuSecondsPerByte: number;
}

/** How long to measure. */
export interface StageTiming {
  readonly rounds: number;
  /** Each stage is run again until it has taken so long. */
  readonly secondsEach: number;
}

const MEGABYTE = 1e6;

interface Sample {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerByte: number;
}

async function sample(stage: Stage, seconds: number): Promise<Sample> {
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  let bytes = 0;
  let elapsed = 0;
  do {
    await stage.run();
    bytes += stage.narBytes;
    elapsed = (performance.now() - began) / 1000;
  } while (elapsed < seconds);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    megabytesPerSecond: bytes / MEGABYTE / elapsed,
    cpuSecondsPerByte: (user + system) / 1e6 / bytes,
  };
}

/** Measures all stages, in turn. */
export async function measureStages(
  stages: readonly Stage[],
  timing: StageTiming,
): Promise<StageCost[]> {
  // what is compiled and allocated once is no cost of a stage
  for (const stage of stages) await stage.run();
  const contenders = stages.map((stage) => ({
    name: stage.name,
    run: () => sample(stage, timing.secondsEach),
  }));
  const results = await alternate(contenders, timing.rounds);
  return Array.from(results, ([name, samples]) => ({
    name,
    megabytesPerSecond: spreadOf(samples.map((one) => one.megabytesPerSecond)),
    cpuSecondsPerByte: spreadOf(samples.map((one) => one.cpuSecondsPerByte)).median,
  }));
}
