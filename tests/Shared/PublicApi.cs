using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Tvix.Tests.Shared;

/// <summary>Renders what an assembly shows to the outside as text, one line for each type and member, in a fixed order.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void", [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(sbyte)] = "sbyte", [typeof(short)] = "short",
        [typeof(ushort)] = "ushort", [typeof(int)] = "int", [typeof(uint)] = "uint", [typeof(long)] = "long", [typeof(ulong)] = "ulong",
        [typeof(char)] = "char", [typeof(string)] = "string", [typeof(object)] = "object", [typeof(float)] = "float",
        [typeof(double)] = "double", [typeof(decimal)] = "decimal",
    };

    public static string Render(Assembly assembly)
    {
        StringBuilder text = new();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(Declaration(type)).Append('\n');
            IEnumerable<string> members = type.IsEnum
                ? type.GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => $"{field.Name} = {field.GetRawConstantValue()}")
                : type.IsSubclassOf(typeof(Delegate)) ? []
                : type.GetMembers(Declared).Select(Member).OfType<string>().Order(StringComparer.Ordinal);
            foreach (string member in members)
            {
                text.Append("    ").Append(member).Append('\n');
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static string Declaration(Type type)
    {
        if (type.IsSubclassOf(typeof(Delegate)))
        {
            MethodInfo invoke = type.GetMethod("Invoke")!;
            return $"delegate {Show(invoke.ReturnType)} {FullName(type)}({Parameters(invoke)})";
        }

        bool isRecord = type.GetMethod("<Clone>$") is not null || type.GetMethod("PrintMembers", Declared) is not null;
        string kind = type switch
        {
            { IsInterface: true } => "interface",
            { IsEnum: true } => "enum",
            { IsValueType: true } => $"{(type.IsDefined(typeof(IsReadOnlyAttribute)) ? "readonly " : "")}{(type.IsByRefLike ? "ref " : "")}"
                + (isRecord ? "record struct" : "struct"),
            { IsAbstract: true, IsSealed: true } => "static class",
            _ => (type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "") + (isRecord ? "record" : "class"),
        };

        IEnumerable<Type> inherited = type.BaseType?.GetInterfaces() ?? [];
        IEnumerable<Type> interfaces = type.GetInterfaces();
        IEnumerable<string> bases = interfaces.Except(inherited).Except(interfaces.SelectMany(i => i.GetInterfaces()))
            .Where(i => i.IsVisible).Select(i => Show(i)).Order(StringComparer.Ordinal);
        if (type.IsEnum)
        {
            bases = [Show(type.GetEnumUnderlyingType())];
        }
        else if (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType))
        {
            bases = bases.Prepend(Show(parent));
        }

        string list = string.Join(", ", bases);
        return $"{kind} {FullName(type)}{(list.Length > 0 ? " : " + list : "")}{Constraints(type.GetGenericArguments())}";
    }

    /// <summary>One line, or nothing for what cannot be seen from outside or what the compiler made for a record.</summary>
    private static string? Member(MemberInfo member) => member switch
    {
        ConstructorInfo { IsStatic: false } constructor when Access(constructor) is { } access =>
            $"{access}.ctor({Parameters(constructor)})",
        MethodInfo method when Access(method) is { } access
            && !method.IsDefined(typeof(CompilerGeneratedAttribute))
            && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) => Method(method, access),
        PropertyInfo property when property.Name != "EqualityContract" => Property(property),
        FieldInfo field when field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly => Field(field),
        EventInfo @event when Access(@event.AddMethod!) is { } access => $"{access}event {Show(@event.EventHandlerType!)} {@event.Name}",
        _ => null,
    };

    private static string Method(MethodInfo method, string access)
    {
        NullabilityInfo nullability = new NullabilityInfoContext().Create(method.ReturnParameter);
        Type[] typeParameters = method.IsGenericMethodDefinition ? method.GetGenericArguments() : [];
        string generics = typeParameters.Length > 0 ? $"<{string.Join(", ", typeParameters.Select(type => type.Name))}>" : "";
        string extension = method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "";
        return $"{access}{Modifiers(method)}{Show(method.ReturnType, nullability)} {method.Name}{generics}({extension}{Parameters(method)})"
            + Constraints(typeParameters);
    }

    private static string? Property(PropertyInfo property)
    {
        string accessors = "";
        MethodInfo? shown = null;
        foreach (MethodInfo? accessor in new[] { property.GetMethod, property.SetMethod })
        {
            if (accessor is not null && Access(accessor) is { } access)
            {
                shown ??= accessor;
                bool isInit = accessor.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));
                string keyword = accessor == property.GetMethod ? "get" : isInit ? "init" : "set";
                accessors += $" {(access == Access(shown) ? "" : access)}{keyword};";
            }
        }

        if (shown is null)
        {
            return null;
        }

        ParameterInfo[] indices = property.GetIndexParameters();
        string name = indices.Length == 0 ? property.Name : $"this[{string.Join(", ", indices.Select(Parameter))}]";
        string required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        NullabilityInfo nullability = new NullabilityInfoContext().Create(property);
        return $"{Access(shown)}{Modifiers(shown)}{required}{Show(property.PropertyType, nullability)} {name} {{{accessors} }}";
    }

    private static string Field(FieldInfo field)
    {
        string access = field.IsPublic ? "" : "protected ";
        string type = Show(field.FieldType, new NullabilityInfoContext().Create(field));
        return field.IsLiteral
            ? $"{access}const {type} {field.Name} = {Literal(field.GetRawConstantValue())}"
            : $"{access}{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}{type} {field.Name}";
    }

    /// <summary>What stands before a member that can be seen from outside; <see langword="null"/> for any other.</summary>
    private static string? Access(MethodBase method) =>
        method.IsPublic ? "" : method.IsFamily || method.IsFamilyOrAssembly ? "protected " : null;

    private static string Modifiers(MethodInfo method)
    {
        if (method.DeclaringType!.IsInterface)
        {
            return method.IsStatic ? method.IsAbstract ? "static abstract " : "static " : method.IsAbstract ? "" : "virtual ";
        }

        bool isOverride = method.GetBaseDefinition() != method;
        return (method.IsStatic ? "static " : "")
            + (method.IsAbstract ? "abstract " : method is { IsFinal: true } && isOverride ? "sealed " : "")
            + (isOverride ? "override " : method is { IsVirtual: true, IsFinal: false, IsAbstract: false } ? "virtual " : "");
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter)
    {
        string modifier = parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? parameter.IsIn ? "in " : "ref " : "";
        bool isParams = parameter.IsDefined(typeof(ParamArrayAttribute)) || parameter.IsDefined(typeof(ParamCollectionAttribute));
        modifier = isParams ? "params " : modifier;
        string value = parameter.HasDefaultValue ? $" = {Default(parameter)}" : "";
        return $"{modifier}{Show(parameter.ParameterType, new NullabilityInfoContext().Create(parameter))} {parameter.Name}{value}";
    }

    private static string Default(ParameterInfo parameter) => parameter switch
    {
        { RawDefaultValue: null, ParameterType.IsValueType: true } => "default",
        { RawDefaultValue: { } value, ParameterType: { IsEnum: true } type } => $"{type.Name}.{Enum.ToObject(type, value)}",
        _ => Literal(parameter.RawDefaultValue),
    };

    private static string Literal(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    private static string Constraints(IEnumerable<Type> parameters)
    {
        StringBuilder text = new();
        foreach (Type parameter in parameters.Where(type => type.IsGenericParameter))
        {
            GenericParameterAttributes attributes = parameter.GenericParameterAttributes;
            List<string> constraints = [];
            if (attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
            {
                constraints.Add("class");
            }

            if (attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint))
            {
                constraints.Add("struct");
            }

            IEnumerable<Type> types = parameter.GetGenericParameterConstraints().Where(type => type != typeof(ValueType));
            constraints.AddRange(types.Select(type => Show(type)));
            if (constraints.Count > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" where {parameter.Name} : {string.Join(", ", constraints)}");
            }
        }

        return text.ToString();
    }

    private static string FullName(Type type) => type.DeclaringType is { } outer && !type.IsGenericParameter
        ? $"{FullName(outer)}.{Name(type)}"
        : $"{type.Namespace}.{Name(type)}";

    private static string Name(Type type)
    {
        int tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? type.Name : $"{type.Name[..tick]}<{string.Join(", ", type.GetGenericArguments().Select(t => Show(t)))}>";
    }

    private static string Show(Type type, NullabilityInfo? nullability = null)
    {
        if (type.IsByRef)
        {
            return Show(type.GetElementType()!, nullability?.ElementType ?? nullability);
        }

        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Show(inner) + "?";
        }

        string mark = !type.IsValueType && nullability is { ReadState: NullabilityState.Nullable } ? "?" : "";
        if (type.IsArray)
        {
            return $"{Show(type.GetElementType()!, nullability?.ElementType)}[]{mark}";
        }

        if (Keywords.TryGetValue(type, out string? keyword))
        {
            return keyword + mark;
        }

        // Nested types are told apart by their outer type; namespaces are left out, as in code.
        string outer = type.DeclaringType is { } declaring && !type.IsGenericParameter ? Show(declaring) + "." : "";
        int tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        if (tick < 0)
        {
            return outer + type.Name + mark;
        }

        NullabilityInfo[] arguments = nullability?.GenericTypeArguments ?? [];
        IEnumerable<string> shown = type.GetGenericArguments().Select((argument, i) => Show(argument, arguments.ElementAtOrDefault(i)));
        return $"{outer}{type.Name[..tick]}<{string.Join(", ", shown)}>{mark}";
    }
}
