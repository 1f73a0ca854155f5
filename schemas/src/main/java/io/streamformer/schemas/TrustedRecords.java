package io.streamformer.schemas;

import java.util.HashSet;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.avro.util.ClassSecurityValidator;
import org.apache.avro.util.ClassSecurityValidator.ClassSecurityPredicate;

/**
 * The classes that Avro may create. Since 1.12.2 Avro creates no class that a program did not name,
 * so each generated record names itself when it is initialized.
 */
final class TrustedRecords {

    private TrustedRecords() {}

    /** Trusts a record and the types of its fields, and keeps what was trusted before. */
    static synchronized void add(Class<?> record, Schema schema) {
        Set<String> names = new HashSet<>();
        addNames(schema, names);
        ClassSecurityPredicate present = ClassSecurityValidator.getGlobal();
        if (names.stream().allMatch(name -> present.isTrusted(uninitialized(name, record)))) {
            return;
        }
        // Names and no predicate of ours: Avro may outlive the class loader of this class.
        ClassSecurityValidator.Builder builder = ClassSecurityValidator.builder();
        names.forEach(builder::add);
        ClassSecurityValidator.setGlobal(
                ClassSecurityValidator.composite(present, builder.build()));
    }

    private static void addNames(Schema schema, Set<String> names) {
        switch (schema.getType()) {
            case RECORD -> {
                if (names.add(schema.getFullName())) {
                    schema.getFields().forEach(field -> addNames(field.schema(), names));
                }
            }
            case ENUM, FIXED -> names.add(schema.getFullName());
            case UNION -> schema.getTypes().forEach(branch -> addNames(branch, names));
            case ARRAY -> addNames(schema.getElementType(), names);
            case MAP -> addNames(schema.getValueType(), names);
            default -> {}
        }
    }

    private static Class<?> uninitialized(String name, Class<?> record) {
        try {
            return Class.forName(name, false, record.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(
                    name + " is generated with " + record.getName() + ": this is a bug", e);
        }
    }
}
