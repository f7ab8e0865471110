/** All commands, each loaded when it is needed. */
import type { Command } from './command.ts';

/** Name → command, in the order in which help lists them. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  mirror: async () => (await import('./mirror.ts')).mirror,
  serve: async () => (await import('./serve.ts')).serve,
  config: async () => (await import('./config.ts')).config,
  info: async () => (await import('./info.ts')).info,
  closure: async () => (await import('./closure.ts')).closure,
  ls: async () => (await import('./ls.ts')).ls,
  cat: async () => (await import('./cat.ts')).cat,
  log: async () => (await import('./log.ts')).log,
  nar: async () => (await import('./nar.ts')).nar,
  restore: async () => (await import('./restore.ts')).restore,
  verify: async () => (await import('./verify.ts')).verify,
  audit: async () => (await import('./audit.ts')).audit,
  diff: async () => (await import('./diff.ts')).diff,
  variants: async () => (await import('./variants.ts')).variants,
  prefer: async () => (await import('./prefer.ts')).prefer,
  pin: async () => (await import('./pin.ts')).pin,
  unpin: async () => (await import('./unpin.ts')).unpin,
  pins: async () => (await import('./pins.ts')).pins,
  gc: async () => (await import('./gc.ts')).gc,
  compress: async () => (await import('./compress.ts')).compress,
  stats: async () => (await import('./stats.ts')).stats,
};
