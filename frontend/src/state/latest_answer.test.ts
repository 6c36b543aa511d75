import { effect, signal } from "@preact/signals";
import { describe, expect, it, vi } from "vitest";
import { LatestAnswer, type Question } from "./latest_answer";
import { problem } from "./problems";

/** Answers when it is told to. */
function server() {
  const waiting: { asked: string; signal: AbortSignal; answer: (text: string) => void; fail: () => void }[] = [];
  const latest = new LatestAnswer<Question, string>("health", ({ asked }, signal) => {
    return new Promise((done, fail) => {
      waiting.push({
        asked,
        signal,
        answer: done,
        fail: () => {
          fail(new Error(`no ${asked}`));
        },
      });
    });
  });
  const question = signal<Question | null>(null);
  const end = effect(() => {
    latest.want(question.value);
  });
  const ask = (asked: string | null) => {
    question.value = asked === null ? null : { subject: asked.slice(0, 1), asked };
  };
  return { waiting, latest, ask, end };
}

async function moment(): Promise<void> {
  await new Promise((done) => setTimeout(done));
}

describe("LatestAnswer", () => {
  it("asks once what changes while an answer of its subject is on its way, and then again", async () => {
    const { waiting, latest, ask, end } = server();
    for (const asked of ["a1", "a2", "a3"]) ask(asked);
    expect(waiting.map(({ asked }) => asked)).toEqual(["a1"]);
    waiting[0].answer("one");
    await vi.waitFor(() => {
      expect(waiting.map(({ asked }) => asked)).toEqual(["a1", "a3"]);
    });
    expect(latest.value?.answer).toBe("one");
    waiting[1].answer("three");
    await vi.waitFor(() => {
      expect(latest.value?.answer).toBe("three");
    });
    expect(waiting).toHaveLength(2);
    end();
  });

  it("gives up what is about something else, and hears neither its late answer nor its failure", async () => {
    const { waiting, latest, ask, end } = server();
    for (const asked of ["a", "b", "c"]) ask(asked);
    expect(waiting.map(({ asked, signal: { aborted } }) => [asked, aborted])).toEqual([
      ["a", true],
      ["b", true],
      ["c", false],
    ]);
    waiting[2].answer("of c");
    waiting[0].answer("of a, late");
    waiting[1].fail();
    await moment();
    expect([latest.value?.answer, problem.value]).toEqual(["of c", null]);
    end();
  });

  it("that was there before needs no other: what was asked in between is given up", async () => {
    const { waiting, latest, ask, end } = server();
    ask("a1");
    waiting[0].answer("one");
    await vi.waitFor(() => {
      expect(latest.value?.answer).toBe("one");
    });
    ask("b");
    ask("a1");
    expect(waiting[1].signal.aborted).toBe(true);
    waiting[1].answer("of b");
    await moment();
    expect([latest.value?.answer, waiting.length]).toEqual(["one", 2]);
    end();
  });

  it("that was there before stays, though the same subject was asked about in between", async () => {
    const { waiting, latest, ask, end } = server();
    ask("a1");
    waiting[0].answer("one");
    await vi.waitFor(() => {
      expect(latest.value?.answer).toBe("one");
    });
    ask("a2");
    ask("a1");
    waiting[1].answer("two, late");
    await moment();
    expect([latest.value?.answer, waiting.length]).toEqual(["one", 2]);
    end();
  });

  it("is a problem only as long as someone wants it", async () => {
    const { waiting, ask, end } = server();
    ask("a");
    waiting[0].fail();
    await vi.waitFor(() => {
      expect(problem.value).toBe("no a");
    });
    ask(null);
    expect(problem.value).toBeNull();
    ask("b");
    ask(null);
    waiting[1].fail();
    await moment();
    expect(problem.value).toBeNull();
    end();
  });

  it("on its way when it is no longer wanted may come: whoever is back needs not ask again", async () => {
    const { waiting, latest, ask, end } = server();
    ask("a");
    ask(null);
    ask("a");
    expect(waiting).toHaveLength(1);
    waiting[0].answer("one");
    await vi.waitFor(() => {
      expect(latest.value?.answer).toBe("one");
    });
    end();
  });
});
