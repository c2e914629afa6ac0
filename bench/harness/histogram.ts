// A histogram of durations whose buckets grow by 1.1 %, so that recording costs no memory.

const bucketsPerDoubling = 64;
/** Half a minute; what takes longer is counted there. */
const maxMicroseconds = 30_000_000;
const bucketCount = Math.ceil(Math.log2(1 + maxMicroseconds) * bucketsPerDoubling) + 1;

export interface Histogram {
  readonly count: number;
  record(milliseconds: number): void;
  clear(): void;
  /** The upper edge, in milliseconds, of the bucket that holds quantile `q`; 0 if nothing was recorded. */
  quantileMs(q: number): number;
}

export function createHistogram(): Histogram {
  const buckets = new Uint32Array(bucketCount);
  let count = 0;
  return {
    get count() {
      return count;
    },
    record(milliseconds) {
      const microseconds = Math.min(maxMicroseconds, Math.max(0, milliseconds * 1000));
      const bucket = Math.floor(Math.log2(1 + microseconds) * bucketsPerDoubling);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      count++;
    },
    clear() {
      buckets.fill(0);
      count = 0;
    },
    quantileMs(q) {
      let left = Math.max(1, Math.ceil(q * count));
      for (const [bucket, inBucket] of buckets.entries()) {
        left -= inBucket;
        if (left <= 0) return (2 ** ((bucket + 1) / bucketsPerDoubling) - 1) / 1000;
      }
      return 0;
    },
  };
}
