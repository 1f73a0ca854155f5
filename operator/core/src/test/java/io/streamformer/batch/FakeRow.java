package io.streamformer.batch;

/** A row whose abandonment a test decides. */
final class FakeRow implements BatchRow {

    private final String name;
    private final int length;
    private final long arrivalNanos;
    private final Priority priority;
    private volatile boolean abandoned;
    private volatile int failedAlone;
    private volatile long ranNanos;

    FakeRow(String name, int length, long arrivalNanos) {
        this(name, length, arrivalNanos, Priority.NORMAL);
    }

    FakeRow(String name, int length, long arrivalNanos, Priority priority) {
        this.name = name;
        this.length = length;
        this.arrivalNanos = arrivalNanos;
        this.priority = priority;
    }

    void abandon() {
        abandoned = true;
    }

    String name() {
        return name;
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public long arrivalNanos() {
        return arrivalNanos;
    }

    @Override
    public Priority priority() {
        return priority;
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // one run thread at a time has the row
    public int failedAlone() {
        return ++failedAlone;
    }

    @Override
    public void running(long nanos) {
        ranNanos = nanos;
    }

    long ranNanos() {
        return ranNanos;
    }

    @Override
    public boolean abandoned() {
        return abandoned;
    }

    @Override
    public String toString() {
        return name;
    }
}
