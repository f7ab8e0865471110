/** All cases, in the order in which they are run. */
import type { BenchCase } from '../benchCase.ts';
import { again } from './again.ts';
import { growth } from './growth.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { metadata } from './metadata.ts';
import { mirror } from './mirror.ts';
import { parameters } from './parameters.ts';
import { rest } from './rest.ts';
import { serve } from './serve.ts';
import { stages } from './stages.ts';

export const CASES: readonly BenchCase[] = [
  stages,
  mirror,
  again,
  rest,
  parameters,
  serve,
  latency,
  growth,
  memory,
  metadata,
];
