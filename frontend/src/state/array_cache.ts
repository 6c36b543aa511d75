/** What was fetched, the longest unused first to go. What is needed stays, however much it is: it would be fetched anew at once. */

export class ArrayCache<T> {
  private readonly entries = new Map<string, { value: T; bytes: number }>();
  private total = 0;

  /** `budget` in bytes. */
  constructor(
    private readonly budget: number,
    private readonly isNeeded: (key: string) => boolean,
  ) {}

  /** A look does not count as a use: it may be that of a view that is being computed anew. */
  has(key: string): boolean {
    return this.entries.has(key);
  }

  get(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: T, bytes: number): void {
    this.drop(key);
    this.entries.set(key, { value, bytes });
    this.total += bytes;
    for (const oldest of this.entries.keys()) {
      // The newest stays even when it alone is over the budget: it was asked for.
      if (this.total <= this.budget || oldest === key) break;
      if (!this.isNeeded(oldest)) this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.total -= this.entries.get(key)?.bytes ?? 0;
    this.entries.delete(key);
  }
}
