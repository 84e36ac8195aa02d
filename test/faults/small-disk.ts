import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BLOCK = 4_096;

/** A file system of a few MiB in memory, which can be filled. Only root can mount one. */
export class SmallDisk {
  static readonly possible = process.platform === 'linux' && process.getuid?.() === 0;

  private constructor(readonly path: string) {}

  static mount(mebibytes: number): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), 'causeway-small-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${String(mebibytes)}m`, 'causeway-test', path]);
    return new SmallDisk(path);
  }

  /** Leaves no block free. */
  fill(): void {
    const { bfree } = statfsSync(this.path);
    writeFileSync(this.filler, Buffer.alloc(bfree * BLOCK));
  }

  free(): void {
    rmSync(this.filler);
  }

  unmount(): void {
    execFileSync('umount', [this.path]);
    rmdirSync(this.path);
  }

  private get filler(): string {
    return join(this.path, 'filler');
  }
}
