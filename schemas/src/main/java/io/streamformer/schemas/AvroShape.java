package io.streamformer.schemas;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;

/**
 * A walk over Avro binary that allocates next to nothing: it proves that the bytes are exactly one
 * record of a schema before Avro's own decoder sees them. That decoder trusts the lengths it reads,
 * turns invalid UTF-8 into replacement characters and does not mind bytes that are left over.
 */
final class AvroShape {

    /** Marks a field that older writers do not write: the release that it came with. */
    static final String SINCE = "since";

    private final ByteBuffer bytes;

    private AvroShape(byte[] value) {
        bytes = ByteBuffer.wrap(value);
    }

    /**
     * Checks that the value is one record of the schema, or of one before it: it may end where the
     * fields of a later release begin.
     *
     * @return how many of the record's fields the value has
     * @throws AvroRuntimeException with the rule and the value seen, if it is not
     */
    static int check(Schema schema, byte[] value) {
        AvroShape shape = new AvroShape(value);
        int fields = 0;
        String release = null;
        for (Schema.Field field : schema.getFields()) {
            String since = field.getProp(SINCE);
            if (!shape.bytes.hasRemaining() && since != null && !since.equals(release)) {
                return fields;
            }
            release = since;
            shape.walk(field.schema());
            fields++;
        }
        if (shape.bytes.hasRemaining()) {
            throw new AvroRuntimeException(
                    "the value has "
                            + shape.bytes.remaining()
                            + " bytes after the end of the "
                            + schema.getName());
        }
        return fields;
    }

    private void walk(Schema schema) {
        switch (schema.getType()) {
            case RECORD -> schema.getFields().forEach(field -> walk(field.schema()));
            case UNION -> walk(branch(schema));
            case MAP -> walkBlocks(schema.getValueType(), true);
            case ARRAY -> walkBlocks(schema.getElementType(), false);
            case STRING -> text();
            case BYTES -> skip(length("bytes"));
            case LONG, INT -> varint();
            case ENUM -> symbol(schema);
            case FLOAT -> skip(Float.BYTES);
            case DOUBLE -> skip(Double.BYTES);
            case BOOLEAN -> skip(1);
            case NULL -> {}
            default ->
                    throw new IllegalStateException(
                            "no record of the topics has the type "
                                    + schema.getType()
                                    + ": this is a bug");
        }
    }

    private Schema branch(Schema union) {
        long index = varint();
        if (index < 0 || index >= union.getTypes().size()) {
            throw malformed("a union's branch is 0 to " + (union.getTypes().size() - 1), index);
        }
        return union.getTypes().get((int) index);
    }

    private void symbol(Schema schema) {
        long index = varint();
        if (index < 0 || index >= schema.getEnumSymbols().size()) {
            throw malformed(
                    schema.getName() + " is one of " + schema.getEnumSymbols(), "number " + index);
        }
    }

    private void walkBlocks(Schema element, boolean keyed) {
        for (long count = varint(); count != 0; count = varint()) {
            long entries = count;
            if (count < 0) {
                // A negative count is followed by the size of the block in bytes.
                varint();
                entries = -count;
            }
            // An entry takes at least a byte: a larger count would not end before the value.
            if (entries < 0 || entries > bytes.remaining()) {
                throw malformed(
                        "a map or an array has as many entries as the value can hold", count);
            }
            for (long i = 0; i < entries; i++) {
                if (keyed) {
                    text();
                }
                walk(element);
            }
        }
    }

    private void text() {
        int length = length("string");
        int start = bytes.position();
        skip(length);
        if (isAscii(start)) {
            return;
        }
        try {
            strictUtf8().decode(bytes.slice(start, length));
        } catch (CharacterCodingException e) {
            throw malformed("a string is valid UTF-8", "invalid bytes");
        }
    }

    /** True where all bytes from here to the current position are characters of ASCII. */
    private boolean isAscii(int start) {
        for (int i = start; i < bytes.position(); i++) {
            if (bytes.get(i) < 0) {
                return false;
            }
        }
        return true;
    }

    /** A decoder that refuses what {@code new String} would replace. */
    static CharsetDecoder strictUtf8() {
        return StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
    }

    private int length(String what) {
        long length = varint();
        if (length < 0 || length > bytes.remaining()) {
            throw malformed(
                    "the length of a " + what + " is 0 to the " + bytes.remaining() + " bytes left",
                    length);
        }
        return (int) length;
    }

    private long varint() {
        long bits = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            skip(1);
            byte next = bytes.get(bytes.position() - 1);
            bits |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return (bits >>> 1) ^ -(bits & 1);
            }
        }
        throw malformed("a number takes at most 10 bytes", "more");
    }

    private void skip(int count) {
        if (count > bytes.remaining()) {
            throw malformed("the value is complete", "its end");
        }
        bytes.position(bytes.position() + count);
    }

    private AvroRuntimeException malformed(String rule, Object found) {
        return new AvroRuntimeException(
                "byte " + bytes.position() + " has " + found + ", but " + rule);
    }
}
