/** The stages one by one. */
import type { BenchCase } from '../benchCase.ts';

export const stages: BenchCase = {
  name: 'stages',
  async *run(context) {
    yield* (await context.stageCosts()).rows();
  },
};
