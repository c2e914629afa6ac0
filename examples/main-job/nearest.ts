/**
 * A sphere index finds the exact nearest points on a globe: a k-d tree over unit vectors.
 *
 * On the unit sphere the straight-line distance grows with the great-circle distance, so the nearest by chord is
 * the nearest on the ground, with no special case at the poles or the date line. The tree is implicit: the
 * median of a range is its root (Bentley, "Multidimensional binary search trees", CACM 18(9), 1975).
 */

/** Mean radius of the Earth (IUGG R1), in kilometres. */
const earthRadiusKm = 6371.0088;

export interface NearRow {
  readonly row: number;
  readonly distanceKm: number;
}

/** The `count` nearest rows, nearest first; of two at one distance the smaller row first. */
export type SphereIndex = (lat: number, lon: number, count: number) => NearRow[];

/** The order in which rows form the tree; O(n log n). */
export function sphereOrder(lats: Float64Array, lons: Float64Array): Uint32Array {
  const order = Uint32Array.from(lats.keys());
  split(order, unitVectors(lats, lons), { from: 0, to: order.length, axis: 0 });
  return order;
}

/** Searches rows whose tree `order` is. */
export function createSphereIndex(lats: Float64Array, lons: Float64Array, order: Uint32Array): SphereIndex {
  const vectors = unitVectors(lats, lons);
  return (lat, lon, count) => {
    const target = unitVector(lat, lon);
    const found: Found[] = [];
    const visit = (from: number, to: number, axis: number): void => {
      if (from >= to) return;
      const middle = (from + to) >>> 1;
      const row = order[middle] as number;
      keepNearest(found, { row, squared: squaredDistance(vectors, row * 3, target) }, count);
      const offset = (target[axis] as number) - (vectors[row * 3 + axis] as number);
      const next = (axis + 1) % 3;
      if (offset < 0) visit(from, middle, next);
      else visit(middle + 1, to, next);
      // The far side can hold something nearer (or as near, in a smaller row) only if the plane is that near.
      const worst = found.length < count ? Infinity : (found[found.length - 1]?.squared ?? Infinity);
      if (offset * offset > worst) return;
      if (offset < 0) visit(middle + 1, to, next);
      else visit(from, middle, next);
    };
    if (count > 0) visit(0, order.length, 0);
    return found.map(({ row, squared }) => ({ row, distanceKm: arcKm(squared) }));
  };
}

/** A neighbour found so far; the list of them is sorted by distance, then row. */
interface Found {
  readonly row: number;
  readonly squared: number;
}

function keepNearest(found: Found[], candidate: Found, count: number): void {
  const nearer = (other: Found): boolean => candidate.squared < other.squared ||
    (candidate.squared === other.squared && candidate.row < other.row);
  if (found.length >= count) {
    if (!nearer(found[found.length - 1] as Found)) return;
    found.pop();
  }
  let place = found.length;
  while (place > 0 && nearer(found[place - 1] as Found)) place--;
  found.splice(place, 0, candidate);
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly axis: number;
}

/** Arranges `order[from, to)` so that its middle is the median along the axis, and so on in both halves. */
function split(order: Uint32Array, vectors: Float64Array, { from, to, axis }: Range): void {
  if (to - from < 2) return;
  const middle = (from + to) >>> 1;
  selectMedian(order, vectors, { from, to, axis });
  const next = (axis + 1) % 3;
  split(order, vectors, { from, to: middle, axis: next });
  split(order, vectors, { from: middle + 1, to, axis: next });
}

/** Hoare's quickselect with the middle element as pivot: what is less comes before, what is greater after. */
function selectMedian(order: Uint32Array, vectors: Float64Array, { from, to, axis }: Range): void {
  const value = (i: number): number => vectors[(order[i] as number) * 3 + axis] as number;
  const wanted = (from + to) >>> 1;
  let low = from;
  let high = to - 1;
  while (low < high) {
    const pivot = value((low + high) >>> 1);
    let i = low;
    let j = high;
    while (i <= j) {
      while (value(i) < pivot) i++;
      while (value(j) > pivot) j--;
      if (i > j) break;
      const held = order[i] as number;
      order[i++] = order[j] as number;
      order[j--] = held;
    }
    if (wanted <= j) high = j;
    else if (wanted >= i) low = i;
    else return;
  }
}

function unitVectors(lats: Float64Array, lons: Float64Array): Float64Array {
  const vectors = new Float64Array(lats.length * 3);
  for (let row = 0; row < lats.length; row++) {
    vectors.set(unitVector(lats[row] as number, lons[row] as number), row * 3);
  }
  return vectors;
}

function unitVector(lat: number, lon: number): [number, number, number] {
  const phi = (lat * Math.PI) / 180;
  const lambda = (lon * Math.PI) / 180;
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

function squaredDistance(vectors: Float64Array, start: number, target: readonly [number, number, number]): number {
  const x = (vectors[start] as number) - target[0];
  const y = (vectors[start + 1] as number) - target[1];
  const z = (vectors[start + 2] as number) - target[2];
  return x * x + y * y + z * z;
}

function arcKm(squaredChord: number): number {
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(squaredChord) / 2));
}
