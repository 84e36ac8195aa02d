// The last line of a test run: `N passed, N failed` or `N passed, N failed, N skipped`, counted from vitest's own result.
// A file that could not be loaded and an error outside of any test count as failed; a run in which no test ran fails.

/** @param {readonly import('vitest/node').TestModule[]} modules @param {readonly unknown[]} unhandledErrors */
export function count(modules, unhandledErrors) {
  const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') failedTests += 1;
      else counts.skipped += 1;
    }
    counts.failed += failedTests === 0 && !module.ok() ? 1 : failedTests;
  }
  return counts;
}

/** @param {{ passed: number, failed: number, skipped: number }} counts */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export default class ClosingLineReporter {
  #watching = false;

  onInit(vitest) {
    this.#watching = vitest.config.watch;
  }

  onTestRunEnd(modules, unhandledErrors) {
    if (this.#watching) return;
    const counts = count(modules, unhandledErrors);
    // On exit, so that nothing can follow it: other reporters and the global teardown still print after this hook.
    process.once('exit', () => {
      if (counts.failed > 0 || counts.passed === 0) process.exitCode ||= 1;
      process.stdout.write(`${closingLine(counts)}\n`);
    });
  }
}
