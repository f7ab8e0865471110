/** The costs of all stages, and what they add up to. */
import type { BinaryCache } from '../data/binaryCache.ts';
import { spreadOf } from '../measure/spread.ts';
import type { Row } from '../table.ts';
import {
  BUILD_STAGE,
  decodeStage,
  decodeStages,
  NAR_HASH_STAGE,
  narStages,
} from './readingStages.ts';
import { measureStages, type StageCost, type StageTiming } from './stage.ts';
import type { StageData } from './stageData.ts';
import {
  APPEND_STAGE,
  COMPRESS_STAGE,
  type FreshPath,
  INDEX_STAGE,
  renderStage,
  restStages,
} from './storeStages.ts';

const GIGABYTE = 1e9;

/** What every NAR goes through, whatever it is compressed with. */
const ALWAYS = [NAR_HASH_STAGE, BUILD_STAGE, COMPRESS_STAGE, APPEND_STAGE, INDEX_STAGE];

/** Costs of stages, measured in one run. */
export class StageCosts {
  readonly costs: readonly StageCost[];

  constructor(costs: readonly StageCost[]) {
    this.costs = costs;
  }

  static async measure(
    data: StageData,
    freshPath: FreshPath,
    timing: StageTiming,
  ): Promise<StageCosts> {
    await using opened = new AsyncDisposableStack();
    const stages = [
      ...decodeStages(data),
      ...narStages(data),
      ...restStages(data, freshPath),
      await renderStage(data, await freshPath(), opened),
    ];
    return new StageCosts(await measureStages(stages, timing));
  }

  /**
   * CPU seconds that the stages of mirroring a cache add up to: decoding, NarHash, FileHash where the file
   * is not the NAR itself, castore content, compressing, packs and index. Receiving is not one of them.
   */
  mirrorCpuSeconds({ compression, narBytes, fileBytes }: BinaryCache): number {
    const decode = this.#perByte((name) => name.startsWith(`${decodeStage(compression)} `));
    const always = ALWAYS.reduce((sum, stage) => sum + this.#perByte((name) => name === stage), 0);
    const fileHash = this.#perByte((name) => name === NAR_HASH_STAGE);
    const hashedAgain = compression === 'none' ? 0 : fileBytes;
    return (decode + always) * narBytes + fileHash * hashedAgain;
  }

  /** Their speed, and the CPU time that a gigabyte of NAR takes. */
  rows(): Row[] {
    return this.costs.map(({ name, megabytesPerSecond, cpuSecondsPerByte }) => ({
      of: 'stages',
      what: name,
      value: megabytesPerSecond,
      unit: 'MB/s',
      cpuSeconds: spreadOf([cpuSecondsPerByte * GIGABYTE]),
    }));
  }

  #perByte(matches: (name: string) => boolean): number {
    const cost = this.costs.find(({ name }) => matches(name));
    if (cost === undefined) throw new TypeError('a stage was not measured');
    return cost.cpuSecondsPerByte;
  }
}
