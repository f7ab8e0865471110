import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks', // native add-ons (lmdb, lzma) do not load into several worker threads
    reporters: ['default', './test/reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
