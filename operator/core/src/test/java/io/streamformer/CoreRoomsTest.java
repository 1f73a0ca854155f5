package io.streamformer;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import org.apache.flink.annotation.Internal;
import org.apache.flink.annotation.Public;

/** Which packages of the runtime use which, and who uses which library. */
@AnalyzeClasses(packages = "io.streamformer", importOptions = ImportOption.DoNotIncludeTests.class)
class CoreRoomsTest {

    private static final String ROOT = "io.streamformer.";

    @ArchTest static final ArchRule options = knowsOnly("options");

    @ArchTest static final ArchRule bundle = knowsOnly("bundle", "options");

    @ArchTest static final ArchRule batch = knowsOnly("batch");

    @ArchTest static final ArchRule tokenize = knowsOnly("tokenize", "bundle");

    @ArchTest
    static final ArchRule inference = knowsOnly("inference", "options", "bundle", "tokenize");

    @ArchTest
    static final ArchRule task = knowsOnly("task", "options", "bundle", "tokenize", "inference");

    @ArchTest
    static final ArchRule engine =
            knowsOnly("engine", "options", "bundle", "tokenize", "batch", "inference", "task");

    @ArchTest
    static final ArchRule onnxRuntime =
            noClasses()
                    .that()
                    .resideOutsideOfPackage(ROOT + "inference.ort..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("ai.onnxruntime..");

    @ArchTest
    static final ArchRule tokenizers =
            noClasses()
                    .that()
                    .resideOutsideOfPackage(ROOT + "tokenize..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("ai.djl..");

    /** As Flink marks its own. */
    @ArchTest
    static final ArchRule publicClassesSayWhoMayUseThem =
            classes()
                    .that()
                    .arePublic()
                    .and()
                    .areTopLevelClasses()
                    .should()
                    .beAnnotatedWith(Public.class)
                    .orShould()
                    .beAnnotatedWith(Internal.class);

    @ArchTest
    static final ArchRule noCycles = slices().matching(ROOT + "(*)..").should().beFreeOfCycles();

    private static ArchRule knowsOnly(String name, String... others) {
        String[] allowed = new String[others.length + 1];
        allowed[0] = ROOT + name + "..";
        for (int i = 0; i < others.length; i++) {
            allowed[i + 1] = ROOT + others[i] + "..";
        }
        return noClasses()
                .that()
                .resideInAPackage(ROOT + name + "..")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage("io.streamformer..")
                                .and(not(resideInAnyPackage(allowed))));
    }
}
