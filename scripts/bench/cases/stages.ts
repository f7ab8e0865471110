/** The stages one by one. */
import type { BenchCase } from '../benchCase.ts';

export const stages: BenchCase = {
  name: 'stages',
  run: async (context) => (await context.stageCosts()).rows(),
};
