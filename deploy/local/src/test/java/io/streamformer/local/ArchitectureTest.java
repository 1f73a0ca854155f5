package io.streamformer.local;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import io.streamformer.local.bench.BenchCommand;
import io.streamformer.local.demo.DemoCommand;

/** The demo and the benchmarks stand on the same ground and know nothing of each other. */
@AnalyzeClasses(
        packages = "io.streamformer.local",
        importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    private static final String LOCAL = "io.streamformer.local";
    private static final String DEMO = LOCAL + ".demo..";
    private static final String BENCH = LOCAL + ".bench..";

    @ArchTest
    static final ArchRule demoKnowsNoBenchmark =
            noClasses()
                    .that()
                    .resideInAPackage(DEMO)
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage(BENCH);

    @ArchTest
    static final ArchRule benchmarksKnowNoDemo =
            noClasses()
                    .that()
                    .resideInAPackage(BENCH)
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage(DEMO);

    @ArchTest
    static final ArchRule onlyMainKnowsTheCommands =
            noClasses()
                    .that()
                    .resideInAPackage(LOCAL)
                    .and(not(belongToAnyOf(Main.class)))
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(DEMO, BENCH);

    @ArchTest
    static final ArchRule mainKnowsTheCommandsAlone =
            noClasses()
                    .that(belongToAnyOf(Main.class))
                    .should()
                    .dependOnClassesThat(
                            resideInAnyPackage(DEMO, BENCH)
                                    .and(not(type(DemoCommand.class)))
                                    .and(not(type(BenchCommand.class))));

    @ArchTest
    static final ArchRule nobodyKnowsMain =
            classes()
                    .that(belongToAnyOf(Main.class))
                    .should()
                    .onlyHaveDependentClassesThat()
                    .haveFullyQualifiedName(Main.class.getName());
}
