#!/usr/bin/env node
// Runs under any Node, so that an old one gets a clear answer: no new syntax here, and nothing is
// imported before the version is known to be good.
const MINIMUM = [24, 12] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
  process.stderr.write(
    `narthex: needs Node ${MINIMUM.join('.')} or newer, this is ${process.versions.node}\n`,
  );
  process.exitCode = 1;
} else {
  const { keepCompiledCode } = await import('./compileCache.ts');
  keepCompiledCode(process.env);
  const { runProgram } = await import('./program.ts');
  process.exitCode = await runProgram(process.argv.slice(2));
}

export {};
